//! `DevicePoller`: devices that are asked one by one.

use embedded_io::ErrorKind as DeviceError;
use selkie_core::adapters::{Device, DevicePoller};
use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use crate::uart::Uart;

type Console = DevicePoller<Uart, 3, 4>;

/// Returns the token of a test's device: the index of its slot is not that of the device.
const fn token(number: u32) -> Token {
    Token::new(3 - number, 1)
}

/// Makes three devices, each registered for reading, with bytes to read.
fn three_ready() -> (Console, [Device; 3]) {
    let mut poller = Console::new();
    let devices = core::array::from_fn(|number| {
        let device = poller.add(Uart::with_incoming(b"hello")).unwrap();
        poller
            .register(
                device,
                token(u32::try_from(number).unwrap()),
                Interest::READABLE,
                Mode::Level,
            )
            .unwrap();
        device
    });
    (poller, devices)
}

/// Returns what one poll reports into a batch of `BATCH`.
fn poll<const BATCH: usize>(poller: &mut Console) -> Vec<(Token, Readiness)> {
    let mut batch = [Event::EMPTY; BATCH];
    let mut events = Events::new(&mut batch);
    poller.poll(Instant::ZERO, &mut events).unwrap();
    events.iter().map(|event| (event.token, event.readiness)).collect()
}

fn failed<T>(kind: ErrorKind) -> Result<T, Error> {
    Err(Error::new(kind))
}

#[test]
fn a_full_scan_gives_the_device_back() {
    let (mut poller, devices) = three_ready();
    assert_eq!(poller.add(Uart::with_incoming(b"one more")).unwrap_err().incoming, b"one more");
    assert_eq!(poller.device(devices[1]).unwrap().incoming, b"hello");
    assert!(
        DevicePoller::<Uart, 0, 1>::new().device(devices[1]).is_none(),
        "a handle of another poller"
    );
    assert_eq!(poller.capacity(), 4);
    assert_eq!(
        poller.capabilities(),
        Capabilities::ERROR | Capabilities::HANGUP | Capabilities::CHECK
    );
}

#[test]
fn a_device_that_is_watched_for_a_hang_up_reports_only_that() {
    let (mut poller, [device, ..]) = three_ready();
    poller.device(device).unwrap().room = 8;
    poller.modify(device, token(0), Interest::HANGUP, Mode::Level).unwrap();
    assert!(poll::<8>(&mut poller).iter().all(|(reported, _)| *reported != token(0)));
    assert_eq!(poller.check(device), Ok(()));
    poller.device(device).unwrap().failure = Some(DeviceError::BrokenPipe);
    let broken = (token(0), Readiness::ERROR.with_implied());
    assert!(poll::<8>(&mut poller).contains(&broken));
    assert_eq!(poller.check(device), failed(ErrorKind::BrokenPipe));
}

#[test]
fn a_device_is_ready_for_what_it_says() {
    let (mut poller, devices) = three_ready();
    poller
        .modify(devices[0], token(0), Interest::READABLE | Interest::WRITABLE, Mode::Level)
        .unwrap();
    poller.modify(devices[1], token(1), Interest::WRITABLE, Mode::Level).unwrap();
    poller.device(devices[0]).unwrap().room = 1;
    poller.device(devices[2]).unwrap().failure = Some(DeviceError::Other);
    let broken = Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE;
    assert_eq!(
        poll::<4>(&mut poller),
        [(token(0), Readiness::READABLE | Readiness::WRITABLE), (token(2), broken)]
    );
    poller.modify(devices[2], token(2), Interest::WRITABLE, Mode::Level).unwrap();
    poller.device(devices[0]).unwrap().incoming.clear();
    assert_eq!(poll::<4>(&mut poller), [(token(0), Readiness::WRITABLE), (token(2), broken)]);
}

#[test]
fn every_device_has_its_turn_in_a_small_batch() {
    let (mut poller, _) = three_ready();
    let reported: Vec<_> =
        (0..6).flat_map(|_| poll::<1>(&mut poller)).map(|(token, _)| token).collect();
    assert_eq!(reported, [token(0), token(1), token(2), token(0), token(1), token(2)]);
    let (mut poller, _) = three_ready();
    let reported: Vec<_> =
        (0..3).flat_map(|_| poll::<2>(&mut poller)).map(|(token, _)| token).collect();
    assert_eq!(reported, [token(0), token(1), token(2), token(0), token(1), token(2)]);
}

#[test]
fn a_oneshot_device_is_reported_once() {
    let (mut poller, devices) = three_ready();
    poller.modify(devices[1], token(1), Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(poll::<4>(&mut poller).len(), 3);
    assert!(poll::<4>(&mut poller).iter().all(|&(reported, _)| reported != token(1)));
    poller.modify(devices[1], token(1), Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(poll::<4>(&mut poller).len(), 3);
}

#[test]
fn a_deregistered_device_is_silent_and_can_come_back() {
    let (mut poller, devices) = three_ready();
    poller.deregister(devices[0], token(0)).unwrap();
    assert!(poll::<4>(&mut poller).iter().all(|&(reported, _)| reported != token(0)));
    poller.register(devices[0], Token::new(3, 3), Interest::READABLE, Mode::Level).unwrap();
    assert!(poll::<4>(&mut poller).contains(&(Token::new(3, 3), Readiness::READABLE)));
}

fn level(poller: &mut Console, device: Device, token: Token) -> Result<(), Error> {
    poller.register(device, token, Interest::READABLE, Mode::Level)
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut poller, devices) = three_ready();
    let [first, second, _] = devices;
    assert_eq!(
        level(&mut poller, first, Token::new(0, 1)),
        failed(ErrorKind::AlreadyRegistered),
        "the device"
    );
    assert_eq!(
        level(&mut poller, first, token(1)),
        failed(ErrorKind::AlreadyRegistered),
        "the token"
    );
    poller.deregister(first, token(0)).unwrap();
    for (interest, mode) in [(Interest::READABLE, Mode::Edge), (Interest::PRIORITY, Mode::Level)] {
        assert_eq!(
            poller.register(first, token(0), interest, mode),
            failed(ErrorKind::Unsupported)
        );
        assert_eq!(poller.modify(second, token(1), interest, mode), failed(ErrorKind::Unsupported));
    }
    assert_eq!(
        poller.modify(second, token(2), Interest::READABLE, Mode::Level),
        failed(ErrorKind::InvalidSource)
    );
    assert_eq!(poller.deregister(second, token(2)), failed(ErrorKind::InvalidSource));
    assert_eq!(poller.deregister(first, token(0)), failed(ErrorKind::NotRegistered));
    let stranger = three_ready().1[2];
    let mut empty = Console::new();
    assert_eq!(level(&mut empty, stranger, token(0)), failed(ErrorKind::InvalidSource));
}

#[test]
fn a_token_that_does_not_fit_is_refused() {
    let (mut poller, devices) = three_ready();
    let [first, second, _] = devices;
    poller.deregister(first, token(0)).unwrap();
    let (later, earlier) = (Token::new(2, 3), Token::new(2, 0));
    assert_eq!(
        poller.modify(second, later, Interest::READABLE, Mode::Level),
        failed(ErrorKind::Stale)
    );
    assert_eq!(poller.deregister(second, later), failed(ErrorKind::Stale));
    assert_eq!(level(&mut poller, first, later), failed(ErrorKind::AlreadyRegistered), "the index");
    assert_eq!(level(&mut poller, first, earlier), failed(ErrorKind::Stale));
    assert_eq!(level(&mut poller, first, Token::new(4, 1)), failed(ErrorKind::Full));
    let empty_token = Token::from_u64(0);
    assert_eq!(level(&mut poller, first, empty_token), failed(ErrorKind::NotRegistered));
    assert_eq!(
        poller.modify(first, empty_token, Interest::READABLE, Mode::Level),
        failed(ErrorKind::NotRegistered)
    );
    assert_eq!(poller.deregister(first, empty_token), failed(ErrorKind::NotRegistered));
}

#[test]
fn reading_and_writing_ask_the_device_first() {
    let (mut poller, devices) = three_ready();
    let mut buffer = [0; 3];
    assert_eq!(poller.read(devices[0], &mut buffer), Ok(3));
    assert_eq!(poller.read(devices[0], &mut buffer), Ok(2));
    assert_eq!(&buffer, b"lol");
    assert_eq!(poller.read(devices[0], &mut buffer), Err(Error::WOULD_BLOCK));
    assert_eq!(poller.write(devices[0], b"bye"), Err(Error::WOULD_BLOCK));
    poller.device(devices[0]).unwrap().room = 2;
    assert_eq!(poller.write(devices[0], b"bye"), Ok(2));
    assert_eq!(poller.device(devices[0]).unwrap().outgoing, b"by");

    poller.device(devices[1]).unwrap().failure = Some(DeviceError::BrokenPipe);
    let broken = || Error::new(ErrorKind::BrokenPipe);
    assert_eq!(poller.read(devices[1], &mut buffer), Err(broken()));
    assert_eq!(poller.write(devices[1], b"bye"), Err(broken()));
}

#[test]
fn a_device_has_no_connections_to_offer() {
    let (mut poller, devices) = three_ready();
    let unsupported = || Error::new(ErrorKind::Unsupported);
    assert_eq!(poller.accept(devices[0]), Err(unsupported()));
    assert_eq!(poller.shutdown_write(devices[0]), Err(unsupported()));
    assert_eq!(poller.connected(devices[0]), Ok(()));
    let invalid = Error::new(ErrorKind::InvalidSource);
    assert_eq!(Console::new().connected(devices[0]), Err(invalid));
}

#[test]
fn closing_gracefully_flushes() {
    let (mut poller, devices) = three_ready();
    assert_eq!(poller.close(devices[0], Close::Graceful), Ok(()));
    assert_eq!(poller.device(devices[0]).unwrap().flushes, 1);
    assert_eq!(poller.close(devices[1], Close::Abort), Ok(()));
    assert_eq!(poller.device(devices[1]).unwrap().flushes, 0);
    poller.device(devices[2]).unwrap().failure = Some(DeviceError::TimedOut);
    assert_eq!(poller.close(devices[2], Close::Graceful), failed(ErrorKind::TimedOut));
}
