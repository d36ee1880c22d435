//! `StreamAdapter`: a connection as an embedded-io reader and writer.

use embedded_io::{Read, Write};
use selkie_core::ErrorKind;
use selkie_core::adapters::{Device, DevicePoller, StreamAdapter};

use crate::uart::Uart;

fn console() -> (DevicePoller<Uart, 1, 1>, Device) {
    let mut scan = DevicePoller::new();
    let device = scan.add(Uart::with_incoming(b"hello")).unwrap();
    (scan, device)
}

#[test]
fn reads_and_writes_reach_the_platform() {
    let (mut scan, device) = console();
    scan.device(device).unwrap().room = 2;
    let mut bound = StreamAdapter::new(&mut scan, device);
    let mut buffer = [0; 4];
    assert_eq!(bound.read(&mut buffer), Ok(4));
    assert_eq!(&buffer, b"hell");
    assert_eq!(bound.write(b"bye"), Ok(2));
    assert_eq!(bound.flush(), Ok(()));
    assert_eq!(scan.device(device).unwrap().outgoing, b"by");
}

#[test]
fn what_would_block_is_an_error() {
    let (mut scan, device) = console();
    let mut bound = StreamAdapter::new(&mut scan, device);
    let refused = bound.write(b"bye").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert_eq!(embedded_io::Error::kind(&refused), embedded_io::ErrorKind::Other);
    scan.device(device).unwrap().failure = Some(embedded_io::ErrorKind::TimedOut);
    let mut bound = StreamAdapter::new(&mut scan, device);
    assert_eq!(bound.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::TimedOut);
}
