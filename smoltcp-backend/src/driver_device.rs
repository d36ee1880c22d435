//! A driver of embassy's network trait, as a device of smoltcp.

use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::{Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

/// An Ethernet [`Driver`] of embassy as the device of a [`Network`](crate::Network), so that the
/// drivers of all embassy HALs serve Selkie.
///
/// A driver that has nothing wakes a waker later. Set it before each turn; a task that has nothing
/// else to do then waits until it is woken, or until the time that the turn returned.
///
/// ```
/// use core::future::poll_fn;
/// use core::task::Poll;
/// # use embassy_net_driver::Driver;
/// # use selkie_core::{EventLoop, Handler, Instant, memory::StaticLoop};
/// # use selkie_smoltcp::{DriverDevice, Network};
/// # type Loop<D> = EventLoop<Network<'static, DriverDevice<D>>, StaticLoop<4, 4>>;
///
/// # async fn run<D: Driver, H: Handler<Network<'static, DriverDevice<D>>>>(
/// #     event_loop: &mut Loop<D>, server: &mut H, now: fn() -> Instant,
/// #     wait_until: fn(Instant),
/// # ) -> Result<(), selkie_core::Error> {
/// loop {
///     let next = poll_fn(|context| {
///         event_loop.platform.device().set_waker(context.waker());
///         Poll::Ready(event_loop.turn(now(), server))
///     });
///     let Some(next) = next.await? else { continue };
///     // Now wait for `next`, or until the task is woken; if `next` has passed, yield.
/// #   wait_until(next);
/// }
/// # }
/// ```
pub struct DriverDevice<D> {
    driver: D,
    waker: Waker,
}

impl<D: Driver> DriverDevice<D> {
    /// Wraps a driver.
    ///
    /// # Panics
    ///
    /// If it is not an Ethernet driver.
    #[must_use]
    pub fn new(driver: D) -> Self {
        let is_ethernet = matches!(driver.hardware_address(), HardwareAddress::Ethernet(_));
        assert!(is_ethernet, "the network is an Ethernet");
        Self { driver, waker: Waker::noop().clone() }
    }

    /// Sets what the driver wakes when it has a frame, or room for one, or the link has changed.
    pub fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// Returns the station's address.
    #[must_use]
    pub fn hardware_address(&self) -> EthernetAddress {
        match self.driver.hardware_address() {
            HardwareAddress::Ethernet(address) => EthernetAddress(address),
            // `new` has refused it.
            _ => EthernetAddress([0; 6]),
        }
    }

    /// Returns whether the link is up.
    pub fn is_link_up(&mut self) -> bool {
        self.driver.link_state(&mut Context::from_waker(&self.waker)) == LinkState::Up
    }
}

impl<D: Driver> Device for DriverDevice<D> {
    type RxToken<'a>
        = Received<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = Sent<D::TxToken<'a>>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        let from = self.driver.capabilities();
        let mut to = DeviceCapabilities::default();
        to.medium = Medium::Ethernet;
        to.max_transmission_unit = from.max_transmission_unit;
        to.max_burst_size = from.max_burst_size;
        to.checksum.ipv4 = checksum(from.checksum.ipv4);
        to.checksum.tcp = checksum(from.checksum.tcp);
        to.checksum.udp = checksum(from.checksum.udp);
        to.checksum.icmpv4 = checksum(from.checksum.icmpv4);
        to
    }

    fn receive(&mut self, _: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (received, sent) = self.driver.receive(&mut Context::from_waker(&self.waker))?;
        Some((Received(received), Sent(sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Self::TxToken<'_>> {
        self.driver.transmit(&mut Context::from_waker(&self.waker)).map(Sent)
    }
}

impl<D> fmt::Debug for DriverDevice<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DriverDevice").finish_non_exhaustive()
    }
}

/// A received frame of a driver.
#[derive(Debug)]
pub struct Received<T>(T);

impl<T: RxToken> phy::RxToken for Received<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        self.0.consume(|frame| read(frame))
    }
}

/// Room for a frame in a driver.
#[derive(Debug)]
pub struct Sent<T>(T);

impl<T: TxToken> phy::TxToken for Sent<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.0.consume(length, fill)
    }
}

/// Converts the directions in which a checksum is computed or checked.
#[allow(clippy::match_wildcard_for_single_variants, reason = "the last is the default of both")]
fn checksum(from: Checksum) -> phy::Checksum {
    match from {
        Checksum::Rx => phy::Checksum::Rx,
        Checksum::Tx => phy::Checksum::Tx,
        Checksum::None => phy::Checksum::None,
        // In software, in both directions.
        _ => phy::Checksum::default(),
    }
}
