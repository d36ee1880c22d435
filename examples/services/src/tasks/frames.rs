//! A framed protocol of requests and responses, with timeouts.
//!
//! A frame is its length in two bytes, the high one first, and so many bytes. The first of these
//! says what is asked for; the response is a frame, too:
//!
//! | request | response |
//! | --- | --- |
//! | `e` and bytes | the bytes |
//! | `u` and bytes | the bytes in capitals |
//! | `w` and a number of milliseconds in two bytes | `w`, after that time |
//! | anything else | `?` |
//!
//! A frame that does not come to its end within 5 seconds is answered by `!timed out`, and one that
//! is too long by `!too long`; then the connection is closed. So it is after 30 seconds without a
//! request, without a word.

use core::time::Duration;

use selkie_async::{Conn, Error};

/// The longest frame, without its length.
pub const FRAME_MAX: usize = 256;

/// The time that a client has for its next request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that a request has to come to its end.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason for which a client gets no response.
enum Refused {
    TimedOut,
    TooLong,
    /// It is gone, or has ended its stream.
    Gone,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        if error == Error::TooLong { Self::TooLong } else { Self::Gone }
    }
}

/// Serves the protocol of this file.
pub async fn frames(mut conn: Conn<'_>) {
    let mut frame = [0; FRAME_MAX];
    loop {
        let outcome = match receive(&mut conn, &mut frame).await {
            Ok(length) => respond(&mut conn, &mut frame[..length]).await,
            Err(Refused::TimedOut) => return send(&mut conn, b"!timed out").await.unwrap_or(()),
            Err(Refused::TooLong) => return send(&mut conn, b"!too long").await.unwrap_or(()),
            Err(Refused::Gone) => return,
        };
        if outcome.is_err() {
            return;
        }
    }
}

/// Reads a frame, and returns its length.
async fn receive(conn: &mut Conn<'_>, frame: &mut [u8; FRAME_MAX]) -> Result<usize, Refused> {
    let timer = conn.timer();
    let begin = conn.read_with(|bytes| (0, (!bytes.is_empty()).then_some(())));
    match timer.timeout(REQUEST_TIMEOUT, begin).await {
        Ok(read) => read?.ok_or(Refused::Gone)?,
        Err(_) => return Err(Refused::Gone),
    }
    let whole = conn.read_with(|bytes| match take(bytes, frame) {
        Some(Ok(length)) => (2 + length, Some(Ok(length))),
        Some(Err(refused)) => (0, Some(Err(refused))),
        None => (0, None),
    });
    match timer.timeout(FRAME_TIMEOUT, whole).await {
        Ok(read) => read?.unwrap_or(Err(Refused::Gone)),
        Err(_) => Err(Refused::TimedOut),
    }
}

/// Copies the first frame of `bytes`, and returns its length; `None` if it is not whole.
fn take(bytes: &[u8], frame: &mut [u8; FRAME_MAX]) -> Option<Result<usize, Refused>> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let Some(frame) = frame.get_mut(..length) else { return Some(Err(Refused::TooLong)) };
    frame.copy_from_slice(rest.get(..length)?);
    Some(Ok(length))
}

/// Carries a request out.
async fn respond(conn: &mut Conn<'_>, frame: &mut [u8]) -> Result<(), Error> {
    match frame {
        [b'e', bytes @ ..] => send(conn, bytes).await,
        [b'u', bytes @ ..] => {
            bytes.make_ascii_uppercase();
            send(conn, bytes).await
        }
        [b'w', high, low] => {
            let millis = u16::from_be_bytes([*high, *low]);
            conn.sleep(Duration::from_millis(millis.into())).await;
            send(conn, b"w").await
        }
        _ => send(conn, b"?").await,
    }
}

/// Sends a frame.
async fn send(conn: &mut Conn<'_>, bytes: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
    conn.write_all(&length.to_be_bytes()).await?;
    conn.write_all(bytes).await
}
