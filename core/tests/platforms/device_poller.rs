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
    let mut scan = Console::new();
    let devices = core::array::from_fn(|number| {
        let device = scan.add(Uart::with_incoming(b"hello")).unwrap();
        scan.register(
            device,
            token(u32::try_from(number).unwrap()),
            Interest::READABLE,
            Mode::Level,
        )
        .unwrap();
        device
    });
    (scan, devices)
}

/// Returns what one poll reports into a batch of `BATCH`.
fn poll<const BATCH: usize>(scan: &mut Console) -> Vec<(Token, Readiness)> {
    let mut batch = [Event::EMPTY; BATCH];
    let mut events = Events::new(&mut batch);
    scan.poll(Instant::ZERO, &mut events).unwrap();
    events.iter().map(|event| (event.token, event.readiness)).collect()
}

fn failed<T>(kind: ErrorKind) -> Result<T, Error> {
    Err(Error::new(kind))
}

#[test]
fn a_full_scan_gives_the_device_back() {
    let (mut scan, devices) = three_ready();
    assert_eq!(scan.add(Uart::with_incoming(b"one more")).unwrap_err().incoming, b"one more");
    assert_eq!(scan.device(devices[1]).unwrap().incoming, b"hello");
    assert!(
        DevicePoller::<Uart, 0, 1>::new().device(devices[1]).is_none(),
        "a handle of another scan"
    );
    assert_eq!(scan.capacity(), 4);
    assert_eq!(
        scan.capabilities(),
        Capabilities::ERROR | Capabilities::HANGUP | Capabilities::CHECK
    );
}

#[test]
fn a_device_that_is_watched_for_a_hang_up_reports_only_that() {
    let (mut scan, [device, ..]) = three_ready();
    scan.device(device).unwrap().room = 8;
    scan.modify(device, token(0), Interest::HANGUP, Mode::Level).unwrap();
    assert!(poll::<8>(&mut scan).iter().all(|(reported, _)| *reported != token(0)));
    assert_eq!(scan.check(device), Ok(()));
    scan.device(device).unwrap().failure = Some(DeviceError::BrokenPipe);
    let broken = (token(0), Readiness::ERROR.with_implied());
    assert!(poll::<8>(&mut scan).contains(&broken));
    assert_eq!(scan.check(device), failed(ErrorKind::BrokenPipe));
}

#[test]
fn a_device_is_ready_for_what_it_says() {
    let (mut scan, devices) = three_ready();
    scan.modify(devices[0], token(0), Interest::READABLE | Interest::WRITABLE, Mode::Level)
        .unwrap();
    scan.modify(devices[1], token(1), Interest::WRITABLE, Mode::Level).unwrap();
    scan.device(devices[0]).unwrap().room = 1;
    scan.device(devices[2]).unwrap().failure = Some(DeviceError::Other);
    let broken = Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE;
    assert_eq!(
        poll::<4>(&mut scan),
        [(token(0), Readiness::READABLE | Readiness::WRITABLE), (token(2), broken)]
    );
    scan.modify(devices[2], token(2), Interest::WRITABLE, Mode::Level).unwrap();
    scan.device(devices[0]).unwrap().incoming.clear();
    assert_eq!(poll::<4>(&mut scan), [(token(0), Readiness::WRITABLE), (token(2), broken)]);
}

#[test]
fn every_device_has_its_turn_in_a_small_batch() {
    let (mut scan, _) = three_ready();
    let reported: Vec<_> =
        (0..6).flat_map(|_| poll::<1>(&mut scan)).map(|(token, _)| token).collect();
    assert_eq!(reported, [token(0), token(1), token(2), token(0), token(1), token(2)]);
    let (mut scan, _) = three_ready();
    let reported: Vec<_> =
        (0..3).flat_map(|_| poll::<2>(&mut scan)).map(|(token, _)| token).collect();
    assert_eq!(reported, [token(0), token(1), token(2), token(0), token(1), token(2)]);
}

#[test]
fn a_oneshot_device_is_reported_once() {
    let (mut scan, devices) = three_ready();
    scan.modify(devices[1], token(1), Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(poll::<4>(&mut scan).len(), 3);
    assert!(poll::<4>(&mut scan).iter().all(|&(reported, _)| reported != token(1)));
    scan.modify(devices[1], token(1), Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(poll::<4>(&mut scan).len(), 3);
}

#[test]
fn a_deregistered_device_is_silent_and_can_come_back() {
    let (mut scan, devices) = three_ready();
    scan.deregister(devices[0], token(0)).unwrap();
    assert!(poll::<4>(&mut scan).iter().all(|&(reported, _)| reported != token(0)));
    scan.register(devices[0], Token::new(3, 3), Interest::READABLE, Mode::Level).unwrap();
    assert!(poll::<4>(&mut scan).contains(&(Token::new(3, 3), Readiness::READABLE)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut scan, devices) = three_ready();
    let [first, second, _] = devices;
    let level = |scan: &mut Console, device, token| {
        scan.register(device, token, Interest::READABLE, Mode::Level)
    };
    assert_eq!(
        level(&mut scan, first, Token::new(0, 1)),
        failed(ErrorKind::AlreadyRegistered),
        "the device"
    );
    assert_eq!(
        level(&mut scan, first, token(1)),
        failed(ErrorKind::AlreadyRegistered),
        "the token"
    );
    scan.deregister(first, token(0)).unwrap();
    for (interest, mode) in [(Interest::READABLE, Mode::Edge), (Interest::PRIORITY, Mode::Level)] {
        assert_eq!(scan.register(first, token(0), interest, mode), failed(ErrorKind::Unsupported));
        assert_eq!(scan.modify(second, token(1), interest, mode), failed(ErrorKind::Unsupported));
    }
    assert_eq!(
        scan.modify(second, token(2), Interest::READABLE, Mode::Level),
        failed(ErrorKind::InvalidSource)
    );
    assert_eq!(scan.deregister(second, token(2)), failed(ErrorKind::InvalidSource));
    assert_eq!(scan.deregister(first, token(0)), failed(ErrorKind::NotRegistered));
    let (later, earlier) = (Token::new(2, 3), Token::new(2, 0));
    assert_eq!(
        scan.modify(second, later, Interest::READABLE, Mode::Level),
        failed(ErrorKind::Stale)
    );
    assert_eq!(scan.deregister(second, later), failed(ErrorKind::Stale));
    assert_eq!(level(&mut scan, first, later), failed(ErrorKind::AlreadyRegistered), "the index");
    assert_eq!(level(&mut scan, first, earlier), failed(ErrorKind::Stale));
    assert_eq!(level(&mut scan, first, Token::new(4, 1)), failed(ErrorKind::Full));
    let empty_token = Token::from_u64(0);
    assert_eq!(level(&mut scan, first, empty_token), failed(ErrorKind::NotRegistered));
    assert_eq!(
        scan.modify(first, empty_token, Interest::READABLE, Mode::Level),
        failed(ErrorKind::NotRegistered)
    );
    assert_eq!(scan.deregister(first, empty_token), failed(ErrorKind::NotRegistered));
    let stranger = three_ready().1[2];
    let mut empty = Console::new();
    assert_eq!(level(&mut empty, stranger, token(0)), failed(ErrorKind::InvalidSource));
}

#[test]
fn reading_and_writing_ask_the_device_first() {
    let (mut scan, devices) = three_ready();
    let mut buffer = [0; 3];
    assert_eq!(scan.read(devices[0], &mut buffer), Ok(3));
    assert_eq!(scan.read(devices[0], &mut buffer), Ok(2));
    assert_eq!(&buffer, b"lol");
    assert_eq!(scan.read(devices[0], &mut buffer), Err(Error::WOULD_BLOCK));
    assert_eq!(scan.write(devices[0], b"bye"), Err(Error::WOULD_BLOCK));
    scan.device(devices[0]).unwrap().room = 2;
    assert_eq!(scan.write(devices[0], b"bye"), Ok(2));
    assert_eq!(scan.device(devices[0]).unwrap().outgoing, b"by");

    scan.device(devices[1]).unwrap().failure = Some(DeviceError::BrokenPipe);
    let broken = || Error::new(ErrorKind::BrokenPipe);
    assert_eq!(scan.read(devices[1], &mut buffer), Err(broken()));
    assert_eq!(scan.write(devices[1], b"bye"), Err(broken()));
}

#[test]
fn a_device_has_no_connections_to_offer() {
    let (mut scan, devices) = three_ready();
    let unsupported = || Error::new(ErrorKind::Unsupported);
    assert_eq!(scan.accept(devices[0]), Err(unsupported()));
    assert_eq!(scan.shutdown_write(devices[0]), Err(unsupported()));
    assert_eq!(scan.connected(devices[0]), Ok(()));
    let invalid = Error::new(ErrorKind::InvalidSource);
    assert_eq!(Console::new().connected(devices[0]), Err(invalid));
}

#[test]
fn closing_gracefully_flushes() {
    let (mut scan, devices) = three_ready();
    assert_eq!(scan.close(devices[0], Close::Graceful), Ok(()));
    assert_eq!(scan.device(devices[0]).unwrap().flushes, 1);
    assert_eq!(scan.close(devices[1], Close::Abort), Ok(()));
    assert_eq!(scan.device(devices[1]).unwrap().flushes, 0);
    scan.device(devices[2]).unwrap().failure = Some(DeviceError::TimedOut);
    assert_eq!(scan.close(devices[2], Close::Graceful), failed(ErrorKind::TimedOut));
}
