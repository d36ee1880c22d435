//! The head of a request: what is asked for, and how its body is framed.

use core::mem::MaybeUninit;

use super::reply::Status;

/// Header lines that a request may have.
const HEADERS_MAX: usize = 32;
/// The longest body that is taken.
pub(super) const BODY_MAX: u64 = 64 * 1024 * 1024;

/// The action that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /`.
    Index,
    /// `GET /bytes/N`.
    Bytes(u64),
    /// `POST /echo`.
    Echo,
    /// `GET /ready`.
    Ready,
    /// `GET /metrics`.
    Metrics,
    /// Nothing that is served: the reply says why.
    Refused(Status),
}

/// The framing of a body (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 for no body.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A request without its body.
#[allow(clippy::struct_excessive_bools, reason = "each is a field of the request")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) route: Route,
    pub(super) framing: Framing,
    /// The reply has no body: the method is `HEAD`.
    pub(super) omits_body: bool,
    /// The connection goes on after the reply.
    pub(super) keep_alive: bool,
    /// The client knows chunks: it speaks HTTP/1.1.
    pub(super) takes_chunks: bool,
    /// The client waits to be told to send the body.
    pub(super) expects_continue: bool,
}

/// Reads the head at the front of `bytes`. Returns it and its length, or `None` if it is not
/// complete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Status> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(Status::VersionUnsupported),
        Err(_) => return Err(Status::BadRequest),
    };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let version_1_1 = request.version == Some(1);
    let fields = Fields::read(request.headers)?;
    // RFC 9112, section 3.2: a request of HTTP/1.1 names its host once.
    if fields.hosts > 1 || version_1_1 && fields.hosts == 0 {
        return Err(Status::BadRequest);
    }
    let head = Head {
        route: route(method, path_of(method, path).ok_or(Status::BadRequest)?),
        framing: fields.framing(version_1_1)?,
        omits_body: method == "HEAD",
        keep_alive: if version_1_1 { !fields.close } else { fields.keep_alive },
        takes_chunks: version_1_1,
        expects_continue: fields.expects_continue && version_1_1,
    };
    Ok(Some((head, len)))
}

/// Returns the path of a target (RFC 9112, section 3.2), or `None` if it is no target.
fn path_of<'t>(method: &str, target: &'t str) -> Option<&'t str> {
    let is_whole = match target.as_bytes() {
        [b'/', ..] => true,
        b"*" => method == "OPTIONS",
        _ => method == "CONNECT",
    };
    if target.contains('#') {
        return None; // It would not be sent by a client.
    }
    if is_whole {
        return Some(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let is_target = !host.is_empty() && is_host(host);
    is_target.then_some(if path.starts_with('/') { path } else { "/" })
}

/// Returns whether `text` can be a host and a port; it may be empty.
fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(&byte))
}

/// Returns what a method and a path ask for.
fn route(method: &str, path: &str) -> Route {
    let reads = matches!(method, "GET" | "HEAD");
    let path = path.bytes().position(|byte| byte == b'?').map_or(path, |end| &path[..end]);
    match path {
        "/" if reads => Route::Index,
        "/echo" if method == "POST" => Route::Echo,
        "/echo" => Route::Refused(Status::OnlyPost),
        "/ready" if reads => Route::Ready,
        "/metrics" if reads => Route::Metrics,
        "/" | "/ready" | "/metrics" | "*" => Route::Refused(Status::OnlyGet),
        _ if method == "CONNECT" => Route::Refused(Status::OnlyGet),
        _ => match path.strip_prefix("/bytes/").and_then(decimal) {
            Some(count) if reads => Route::Bytes(count),
            Some(_) => Route::Refused(Status::OnlyGet),
            None => Route::Refused(Status::NotFound),
        },
    }
}

/// Reads a number of digits alone: `str::parse` would take a sign.
fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Removes what may be around a value: no other kind of space is, or a proxy may read it otherwise.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The header fields that decide what happens to a request.
#[allow(clippy::struct_excessive_bools, reason = "each is a field of the request")]
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for header in headers {
            let name = header.name;
            // Most fields decide nothing, so their values are not looked at.
            let value = || trim(core::str::from_utf8(header.value).unwrap_or("\0"));
            if name.eq_ignore_ascii_case("host") {
                fields.hosts += 1;
                if !is_host(value()) {
                    return Err(Status::BadRequest);
                }
            } else if name.eq_ignore_ascii_case("content-length") {
                // Two lengths are how requests are smuggled past a proxy.
                let value = value();
                let length = decimal(value).filter(|_| !value.is_empty());
                if fields.length.is_some() || length.is_none() {
                    return Err(Status::BadRequest);
                }
                fields.length = length;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if fields.chunked || !value().eq_ignore_ascii_case("chunked") {
                    return Err(Status::NotImplemented);
                }
                fields.chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                let value = value();
                let has = |word| value.split(',').any(|part| trim(part).eq_ignore_ascii_case(word));
                fields.close |= has("close");
                fields.keep_alive |= has("keep-alive");
            } else if name.eq_ignore_ascii_case("expect") {
                fields.expects_continue |= value().eq_ignore_ascii_case("100-continue");
            }
        }
        Ok(fields)
    }

    fn framing(&self, version_1_1: bool) -> Result<Framing, Status> {
        match (self.chunked, self.length) {
            (false, length) => {
                let length = length.unwrap_or(0);
                if length > BODY_MAX {
                    Err(Status::BodyTooLarge)
                } else {
                    Ok(Framing::Length(length))
                }
            }
            (true, None) if version_1_1 => Ok(Framing::Chunked),
            // A length beside chunks is how requests are smuggled past a proxy.
            (true, _) => Err(Status::BadRequest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<(Head, usize)>, Status> {
        parse(text.as_bytes())
    }

    fn route_of(line: &str) -> Route {
        let text = std::format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n");
        head(&text).unwrap().unwrap().0.route
    }

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for len in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..len]), Ok(None), "{len} bytes are not enough");
        }
        let (head, len) = head(text).unwrap().unwrap();
        assert_eq!(len, text.len());
        assert_eq!(head.framing, Framing::Length(0));
        assert!(head.keep_alive && head.takes_chunks && !head.omits_body);
    }

    #[test]
    fn a_method_and_a_path_name_a_route() {
        assert_eq!(route_of("GET /"), Route::Index);
        assert_eq!(route_of("HEAD /?q"), Route::Index);
        assert_eq!(route_of("GET /bytes/17"), Route::Bytes(17));
        assert_eq!(route_of("POST /echo"), Route::Echo);
        assert_eq!(route_of("GET /echo"), Route::Refused(Status::OnlyPost));
        assert_eq!(route_of("POST /"), Route::Refused(Status::OnlyGet));
        assert_eq!(route_of("GET http://x:80/bytes/17?q"), Route::Bytes(17));
        assert_eq!(route_of("GET HTTP://x"), Route::Index);
        assert_eq!(route_of("GET http://x?q"), Route::Index);
        for line in ["OPTIONS *", "OPTIONS /", "CONNECT x:80", "get /"] {
            assert_eq!(route_of(line), Route::Refused(Status::OnlyGet), "{line}");
        }
        for target in ["x", "*", "http://", "http:///", "http://a@b/", "ftp://x/", "/#a", "//#"] {
            let text = std::format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(head(&text), Err(Status::BadRequest), "{target}");
        }
        assert_eq!(route_of("GET /bytes/+1"), Route::Refused(Status::NotFound));
        assert_eq!(route_of("GET /bytes/99999999999999999999"), Route::Refused(Status::NotFound));
    }

    #[test]
    fn what_is_no_request_is_refused_by_its_status() {
        let refused = |text: &str| head(text).unwrap_err();
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), Status::VersionUnsupported);
        assert_eq!(refused("G\x01T / HTTP/1.1\r\n"), Status::BadRequest);
        let with = |line: &str| std::format!("POST /echo HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
        let lengths = "Content-Length: 1\r\nContent-Length: 1";
        assert_eq!(refused(&with(lengths)), Status::BadRequest);
        for length in ["-1", "+1", "0x1", "1_0", "1, 1", "", "\u{a0}1", "18446744073709551616"] {
            let line = std::format!("Content-Length: {length}");
            assert_eq!(refused(&with(&line)), Status::BadRequest, "{length:?}");
        }
        let both = "Content-Length: 1\r\nTransfer-Encoding: chunked";
        assert_eq!(refused(&with(both)), Status::BadRequest);
        for coding in ["gzip", "gzip, chunked", "chunked, chunked", "xchunked", "\u{a0}chunked", ""]
        {
            let line = std::format!("Transfer-Encoding: {coding}");
            assert_eq!(refused(&with(&line)), Status::NotImplemented, "{coding:?}");
        }
        for line in ["Host: y", "A: b\r\n c", "A : b", ": b", "A", "A: \0", "A: b\rC: d"] {
            assert_eq!(refused(&with(line)), Status::BadRequest, "{line:?}");
        }
        for host in ["a b", "a/b", "a@b", "a\u{e9}"] {
            let text = std::format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(refused(&text), Status::BadRequest, "{host:?}");
        }
        assert_eq!(refused(&with("Content-Length: 99999999999")), Status::BodyTooLarge);
        assert_eq!(refused(&with(&"A: b\r\n".repeat(40))), Status::HeadTooLarge);
    }

    #[test]
    fn a_connection_goes_on_as_its_version_and_its_fields_say() {
        let goes_on = |text: &str| head(text).unwrap().unwrap().0.keep_alive;
        assert!(!goes_on("GET / HTTP/1.0\r\n\r\n"));
        assert!(goes_on("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!goes_on("GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n"));
    }
}
