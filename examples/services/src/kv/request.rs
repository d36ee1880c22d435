//! Requests of the Redis serialization protocol (RESP): an array of byte strings, or a line.
//! Reference: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

/// Arguments that a request may have, its command included.
pub(super) const ARGUMENTS_MAX: usize = 32;
/// Digits of a length that is read. A longer one is no length.
const DIGITS_MAX: usize = 10;

/// The arguments of one request, in the bytes that were received.
pub(super) struct Request<'b> {
    arguments: [&'b [u8]; ARGUMENTS_MAX],
    len: usize,
}

impl<'b> Request<'b> {
    const fn new() -> Self {
        Self { arguments: [&[]; ARGUMENTS_MAX], len: 0 }
    }

    fn push(&mut self, argument: &'b [u8]) -> Result<(), Malformed> {
        *self.arguments.get_mut(self.len).ok_or(Malformed::TooManyArguments)? = argument;
        self.len += 1;
        Ok(())
    }

    /// Returns the arguments, the command's name first; none for an empty line.
    pub(super) fn arguments(&self) -> &[&'b [u8]] {
        &self.arguments[..self.len]
    }
}

/// The reason why bytes are no request. The connection cannot go on: nothing says where the next
/// one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A length is not a number, or negative.
    Length,
    /// A byte string does not begin with `$`, or does not end with CR LF.
    ByteString,
    /// There are more arguments than [`ARGUMENTS_MAX`].
    TooManyArguments,
    /// The request never fits into an input buffer.
    TooLarge,
    /// It is a request of HTTP: a browser may be led to send such, with commands in its body.
    Http,
}

impl Malformed {
    /// Returns the error reply.
    pub(super) const fn reply(self) -> &'static [u8] {
        match self {
            Self::Length => b"-ERR Protocol error: invalid length\r\n",
            Self::ByteString => b"-ERR Protocol error: expected a byte string\r\n",
            Self::TooManyArguments => b"-ERR Protocol error: more than 32 arguments\r\n",
            Self::TooLarge => b"-ERR Protocol error: the request is too large\r\n",
            Self::Http => b"-ERR Protocol error: this is no HTTP server\r\n",
        }
    }
}

/// Reads the first request of `bytes`. Returns it and its length, or `None` if it is not complete.
/// It has at most `max` bytes.
#[inline]
pub(super) fn parse(bytes: &[u8], max: usize) -> Result<Option<(Request<'_>, usize)>, Malformed> {
    let parsed = if bytes.first() == Some(&b'*') { array(bytes, max)? } else { inline(bytes)? };
    if parsed.is_none() && bytes.len() >= max {
        return Err(Malformed::TooLarge);
    }
    Ok(parsed)
}

/// Reads a request that is a line.
fn inline(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, Malformed> {
    let mut request = Request::new();
    let Some(line) = line(bytes, 0) else { return Ok(None) };
    for word in line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        request.push(word)?;
    }
    let name = request.arguments().first().copied().unwrap_or_default();
    if name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:") {
        return Err(Malformed::Http);
    }
    Ok(Some((request, line.len() + 1)))
}

/// Reads a request that is an array of byte strings.
fn array(bytes: &[u8], max: usize) -> Result<Option<(Request<'_>, usize)>, Malformed> {
    let mut request = Request::new();
    let Some((count, mut at)) = number(bytes, 1)? else { return Ok(None) };
    if count > ARGUMENTS_MAX {
        return Err(Malformed::TooManyArguments);
    }
    for _ in 0..count {
        match bytes.get(at) {
            Some(b'$') => {}
            Some(_) => return Err(Malformed::ByteString),
            None => return Ok(None),
        }
        let Some((len, start)) = number(bytes, at + 1)? else { return Ok(None) };
        let end = start.saturating_add(len);
        if end.saturating_add(2) > max {
            // Said at once, not after all that fits.
            return Err(Malformed::TooLarge);
        }
        let Some(argument) = bytes.get(start..end) else { return Ok(None) };
        match bytes.get(end..end.saturating_add(2)) {
            Some(b"\r\n") => request.push(argument)?,
            Some(_) => return Err(Malformed::ByteString),
            None => return Ok(None),
        }
        at = end + 2;
    }
    Ok(Some((request, at)))
}

/// Returns the bytes from `start` up to the line feed.
fn line(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let rest = bytes.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    Some(&rest[..end])
}

/// Reads a length and its CR LF. Returns it and where the next byte is.
fn number(bytes: &[u8], start: usize) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0_usize;
    for (digits, &byte) in bytes.get(start..).unwrap_or_default().iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits < DIGITS_MAX => {
                value = value.saturating_mul(10).saturating_add(usize::from(byte - b'0'));
            }
            b'\r' if digits > 0 => {
                let end = start + digits + 1;
                return match bytes.get(end) {
                    Some(b'\n') => Ok(Some((value, end + 1))),
                    Some(_) => Err(Malformed::Length),
                    None => Ok(None),
                };
            }
            _ => return Err(Malformed::Length),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;
    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n";

    #[test]
    fn an_array_of_byte_strings_is_a_request_once_it_is_complete() {
        for len in 0..SET.len() {
            assert!(parse(&SET[..len], MAX).unwrap().is_none(), "{len} bytes are not enough");
        }
        let mut bytes = std::vec::Vec::from(SET);
        bytes.extend(b"*1\r\n");
        let (request, len) = parse(&bytes, MAX).unwrap().unwrap();
        assert_eq!(request.arguments(), [&b"SET"[..], b"k", b"\r\n"]);
        assert_eq!(len, SET.len());
    }

    #[test]
    fn a_line_is_a_request() {
        let (request, len) = parse(b" get  key\r\nrest", MAX).unwrap().unwrap();
        assert_eq!(request.arguments(), [&b"get"[..], b"key"]);
        assert_eq!(len, 11);
        assert!(parse(b"\r\n", MAX).unwrap().unwrap().0.arguments().is_empty());
        assert!(parse(b"get key", MAX).unwrap().is_none());
    }

    #[test]
    fn what_is_no_request_says_why() {
        let refused = |bytes: &[u8]| parse(bytes, MAX).err();
        assert_eq!(refused(b"*x\r\n"), Some(Malformed::Length));
        assert_eq!(refused(b"*-1\r\n"), Some(Malformed::Length));
        assert_eq!(refused(b"*1\r\n$12345678901\r\n"), Some(Malformed::Length));
        assert_eq!(refused(b"*1\r\n+OK\r\n"), Some(Malformed::ByteString));
        assert_eq!(refused(b"*1\r\n$1\r\nabc"), Some(Malformed::ByteString));
        assert_eq!(refused(b"*33\r\n"), Some(Malformed::TooManyArguments));
        assert_eq!(refused(b"*1\r\n$-1\r\n"), Some(Malformed::Length));
        assert_eq!(refused(b"*1\r\n*1\r\n"), Some(Malformed::ByteString));
        assert_eq!(refused(b"*1\r\n$990\r\n"), Some(Malformed::TooLarge));
        assert_eq!(refused(&[b'x'; MAX]), Some(Malformed::TooLarge));
        assert_eq!(refused(b"POST / HTTP/1.1\r\n"), Some(Malformed::Http));
        assert_eq!(refused(b"host: x\r\n"), Some(Malformed::Http));
    }
}
