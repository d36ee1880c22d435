//! Bytes that can be checked wherever they turn up.

use alloc::vec::Vec;

use crate::random::mix;

/// Returns the byte at `offset` of the stream that the server makes for a client.
pub(crate) const fn stream_byte(offset: u64) -> u8 {
    // A product with an odd number visits every byte, and a shift by one position shows.
    (offset.wrapping_mul(167) >> 3 ^ offset).to_le_bytes()[0]
}

/// Returns the `number`th line of a client that chats: who says it, which of its lines it is, and
/// something to say.
pub(crate) fn chat_line(client: u16, number: u16) -> Vec<u8> {
    let mut line = alloc::format!("{client:04x}{number:04x}:").into_bytes();
    let scattered = mix(u64::from(client) << 32 | u64::from(number));
    let letters = scattered % 24;
    line.extend(
        (0..letters).map(|place| b'a' + ((scattered >> (place * 2 + 5)) % 26).to_le_bytes()[0]),
    );
    line.push(b'\n');
    line
}

/// Returns the author and the number of a line, if it is unchanged.
pub(crate) fn read_chat_line(line: &[u8]) -> Option<(u16, u16)> {
    let head = core::str::from_utf8(line.get(..8)?).ok()?;
    let client = u16::from_str_radix(&head[..4], 16).ok()?;
    let number = u16::from_str_radix(&head[4..], 16).ok()?;
    (chat_line(client, number) == line).then_some((client, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_whether_it_was_changed() {
        let mut line = chat_line(7, 300);
        assert_eq!(read_chat_line(&line), Some((7, 300)));
        let middle = line.len() / 2;
        line[middle] ^= 1;
        assert_eq!(read_chat_line(&line), None);
        assert_eq!(read_chat_line(b""), None);
    }

    #[test]
    fn every_shift_of_the_stream_shows() {
        for shift in 1..200 {
            assert!((0..64).any(|offset| stream_byte(offset) != stream_byte(offset + shift)));
        }
    }
}
