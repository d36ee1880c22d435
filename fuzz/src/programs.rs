//! The services of the examples with clients that send anything, cut anywhere.

use selkie_core::testing::Recorder;
use selkie_core::{CloseReason, Service, Token};
use selkie_services::{Entry, Http, Kv, Store};

/// The room for answers, and the most that a service is offered at once.
const ROOM: usize = 4096;
const CLIENT: Token = Token::new(0, 1);

/// Offers the bytes to the HTTP server.
pub fn http(bytes: &[u8]) {
    converse(&mut Http::new(|| Some(1_000_000_000)), bytes);
}

/// Offers the bytes to the key-value store, which is small enough to be full soon.
pub fn kv(bytes: &[u8]) {
    let (mut hashes, mut entries) = (vec![0; 8], vec![Entry::<16, 64>::EMPTY; 8]);
    converse(&mut Kv::new(Store::new(&mut hashes, &mut entries, 7)), bytes);
}

/// Plays one connection. The first byte says how large the pieces are in which the others arrive,
/// the second how much room there is for answers.
fn converse<S: Service>(service: &mut S, bytes: &[u8]) {
    let [step, room, bytes @ ..] = bytes else { return };
    let (step, room) = (usize::from(*step) + 1, usize::from(*room) * 16);
    let (mut recorder, mut session) = (Recorder::<ROOM>::new(), S::Session::default());
    service.opened(&mut recorder.peer(CLIENT), &mut session);
    let mut unread = Vec::new();
    for piece in bytes.chunks(step) {
        unread.extend_from_slice(piece);
        let offered = unread.len().min(ROOM);
        let taken = service.received(&mut recorder.peer(CLIENT), &mut session, &unread[..offered]);
        assert!(taken <= offered, "it takes {taken} bytes of {offered}");
        unread.drain(..taken);
        // The peer takes what was sent, and the service goes on.
        recorder.clear();
        recorder.set_room(room);
        service.writable(&mut recorder.peer(CLIENT), &mut session);
        recorder.clear();
        recorder.set_room(ROOM);
    }
    service.read_closed(&mut recorder.peer(CLIENT), &mut session, unread.len());
    recorder.clear();
    service.timer_expired(&mut recorder.peer(CLIENT), &mut session);
    recorder.clear();
    service.draining(&mut recorder.peer(CLIENT), &mut session);
    service.closed(&mut recorder.peer(CLIENT), &mut session, CloseReason::Finished);
}
