//! The body of a request: its pieces, out of a length or out of chunks.

use super::reply::Status;
use super::request::{BODY_MAX, Framing};

/// The longest line of a chunk's size, extensions included, and of a trailer.
const LINE_MAX: usize = 256;

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
    /// Trailers are to come, up to an empty line.
    Trailers,
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
            Self::Trailers => match bytes.iter().position(|&byte| byte == b'\n') {
                Some(0) => Err(Status::BadRequest),
                Some(1) if bytes[0] == b'\r' => Ok(Piece::End(2)),
                Some(end) => Ok(Piece::Framing(end + 1)),
                None if bytes.len() >= LINE_MAX => Err(Status::HeadTooLarge),
                None => Ok(Piece::Incomplete),
            },
        }
    }

    fn chunk_size<'b>(&mut self, bytes: &'b [u8], taken: u64) -> Result<Piece<'b>, Status> {
        match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((len, 0))) => {
                *self = Self::Trailers;
                Ok(Piece::Framing(len))
            }
            Ok(httparse::Status::Complete((len, size))) => {
                if taken.saturating_add(size) > BODY_MAX {
                    return Err(Status::BodyTooLarge);
                }
                *self = Self::Chunk(size);
                Ok(Piece::Framing(len))
            }
            Ok(httparse::Status::Partial) if bytes.len() < LINE_MAX => Ok(Piece::Incomplete),
            _ => Err(Status::BadRequest),
        }
    }

    /// Goes on behind `used` bytes of the body.
    pub(super) const fn advance(&mut self, used: u64) {
        match *self {
            Self::Length(left) => *self = Self::Length(left - used),
            Self::Chunk(left) if left == used => *self = Self::ChunkEnd,
            Self::Chunk(left) => *self = Self::Chunk(left - used),
            Self::ChunkSize | Self::ChunkEnd | Self::Trailers => {}
        }
    }
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
        assert_eq!(refused(b"x\r\n"), Status::BadRequest);
        assert_eq!(refused(b"1\r\nab\r\n"), Status::BadRequest);
        assert_eq!(refused(b"fffffff\r\n"), Status::BodyTooLarge);
        assert_eq!(refused(&[b'1'; 300]), Status::BadRequest);
        let trailer = [&b"0\r\n"[..], &[b'a'; 300]].concat();
        assert_eq!(refused(&trailer), Status::HeadTooLarge);
    }
}
