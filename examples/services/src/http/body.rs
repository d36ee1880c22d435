//! The body of a request: its pieces, out of a length or out of chunks.

use super::reply::Status;
use super::request::{BODY_MAX, Framing};

/// The longest line of a chunk's size, extensions included, and of a trailer.
const LINE_MAX: usize = 256;
/// The longest trailers, together.
const TRAILERS_MAX: u16 = 4096;
/// The digits of a chunk's size.
const DIGITS_MAX: usize = 16;

/// The progress in reading a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// The line with the next chunk's size is to come.
    ChunkSize,
    /// So many bytes of this chunk are to come.
    Chunk(u64),
    /// The line end behind a chunk is to come.
    ChunkEnd,
    /// Trailers are to come, of at most so many bytes, up to an empty line.
    Trailers(u16),
}

/// The element at the front of the bytes that were received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// Bytes of the body. Those that are used are told by [`Body::advance`].
    Bytes(&'b [u8]),
    /// So many bytes of framing, which are done with.
    Framing(usize),
    /// So many bytes of framing, with which the body ends.
    End(usize),
    /// More has to come first.
    Incomplete,
}

impl Body {
    pub(super) const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::ChunkSize,
        }
    }

    /// Reads what stands at the front of `bytes`, and goes on behind framing. `taken` is the length
    /// of the body so far.
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8], taken: u64) -> Result<Piece<'b>, Status> {
        match *self {
            Self::Length(0) => Ok(Piece::End(0)),
            _ if bytes.is_empty() => Ok(Piece::Incomplete),
            Self::Length(left) | Self::Chunk(left) => {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                Ok(Piece::Bytes(&bytes[..len]))
            }
            Self::ChunkSize => self.chunk_size(bytes, taken),
            Self::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Self::ChunkSize;
                    Ok(Piece::Framing(2))
                }
                [b'\r'] => Ok(Piece::Incomplete),
                _ => Err(Status::BadRequest),
            },
            Self::Trailers(left) => self.trailer(bytes, left),
        }
    }

    fn chunk_size<'b>(&mut self, bytes: &'b [u8], taken: u64) -> Result<Piece<'b>, Status> {
        let Some(line) = line(bytes)? else { return Ok(Piece::Incomplete) };
        let size = size_of_chunk(line).ok_or(Status::BadRequest)?;
        if taken.saturating_add(size) > BODY_MAX {
            return Err(Status::BodyTooLarge);
        }
        *self = if size == 0 { Self::Trailers(TRAILERS_MAX) } else { Self::Chunk(size) };
        Ok(Piece::Framing(line.len() + 2))
    }

    fn trailer<'b>(&mut self, bytes: &'b [u8], left: u16) -> Result<Piece<'b>, Status> {
        let Some(line) = line(bytes)? else { return Ok(Piece::Incomplete) };
        let len = line.len() + 2;
        if line.is_empty() {
            return Ok(Piece::End(len));
        }
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if name.len() == line.len() || name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Status::BadRequest);
        }
        let rest = u16::try_from(len).ok().and_then(|len| left.checked_sub(len));
        *self = Self::Trailers(rest.ok_or(Status::HeadTooLarge)?);
        Ok(Piece::Framing(len))
    }

    /// Goes on behind `used` bytes of the body.
    pub(super) const fn advance(&mut self, used: u64) {
        match *self {
            Self::Length(left) => *self = Self::Length(left - used),
            Self::Chunk(left) if left == used => *self = Self::ChunkEnd,
            Self::Chunk(left) => *self = Self::Chunk(left - used),
            Self::ChunkSize | Self::ChunkEnd | Self::Trailers(_) => {}
        }
    }
}

/// Returns the line at the front of `bytes`, without its end, or `None` if it is not complete. Only
/// CR LF ends a line, and nothing else that others may take for an end is in it.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Status> {
    let Some(end) = bytes.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
        return if bytes.len() < LINE_MAX { Ok(None) } else { Err(Status::HeadTooLarge) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Status::BadRequest)?;
    let is_text = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
    if line.iter().all(is_text) { Ok(Some(line)) } else { Err(Status::BadRequest) }
}

/// Reads the size in front of a chunk: digits, then nothing or extensions.
fn size_of_chunk(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    let (digits, rest) = line.split_at(digits);
    let is_size = matches!(rest.trim_ascii_start(), [] | [b';', ..]);
    let text = core::str::from_utf8(digits).ok()?;
    if is_size { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Reads a body that comes in pieces of `step` bytes. Returns it and what is left.
    fn read(framing: Framing, text: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), Status> {
        let (mut body, mut at, mut end, mut got) = (Body::new(framing), 0, 0, Vec::new());
        loop {
            match body.next(&text[at..end], got.len() as u64)? {
                Piece::Bytes(bytes) => {
                    got.extend(bytes);
                    at += bytes.len();
                    body.advance(bytes.len() as u64);
                }
                Piece::Framing(len) => at += len,
                Piece::End(len) => return Ok((got, text[at + len..].to_vec())),
                Piece::Incomplete => {
                    assert!(end < text.len(), "the body does not end");
                    end = (end + step).min(text.len());
                }
            }
        }
    }

    #[test]
    fn a_body_is_the_same_in_pieces_of_any_size() {
        let chunked = b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: 1\r\n\r\nrest";
        for step in 1..chunked.len() {
            let (got, rest) = read(Framing::Chunked, chunked, step).unwrap();
            assert_eq!(got, b"hello!");
            assert!(b"rest".starts_with(&rest[..rest.len().min(4)]));
            assert_eq!(read(Framing::Length(3), b"abcd", step).unwrap().0, b"abc");
        }
        assert_eq!(read(Framing::Length(0), b"", 1).unwrap().0, b"");
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let refused = |text: &[u8]| read(Framing::Chunked, text, text.len()).unwrap_err();
        let sizes = ["x", "", ";", " 3", "+3", "-1", "0x3", "3 4", "10000000000000000", "3;a\nb"];
        for size in sizes {
            let text = std::format!("{size}\r\nabc\r\n0\r\n\r\n");
            assert_eq!(refused(text.as_bytes()), Status::BadRequest, "{size:?}");
        }
        for text in ["3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "1\r\nab\r\n"] {
            assert_eq!(refused(text.as_bytes()), Status::BadRequest, "{text:?}");
        }
        assert_eq!(refused(b"fffffff\r\n"), Status::BodyTooLarge);
        assert_eq!(refused(b"FFFFFFFFFFFFFFFF\r\n"), Status::BodyTooLarge);
        assert_eq!(refused(&[b'1'; 300]), Status::HeadTooLarge);
        assert_eq!(refused(&[&b"1;"[..], &[b'a'; 300], b"\r\n"].concat()), Status::HeadTooLarge);
    }

    #[test]
    fn trailers_are_lines_of_fields_and_have_a_limit() {
        let read = |trailers: &str| {
            let text = std::format!("0\r\n{trailers}\r\n");
            read(Framing::Chunked, text.as_bytes(), 7).map(|(body, _)| body)
        };
        assert_eq!(read("A: b\r\nC:\r\n"), Ok(Vec::new()));
        for bad in
            ["\n", "A: b\n", ": b\r\n", "A b\r\n", "A : b\r\n", "A: \0\r\n", "A: b\rC: d\r\n"]
        {
            assert_eq!(read(bad), Err(Status::BadRequest), "{bad:?}");
        }
        assert_eq!(read(&"A: b\r\n".repeat(1000)), Err(Status::HeadTooLarge));
        assert_eq!(read(&"a".repeat(300)), Err(Status::HeadTooLarge));
    }
}
