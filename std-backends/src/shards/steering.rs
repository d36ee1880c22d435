//! Cores: binding a thread to one, and choosing a listener by the core of a connection.

use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};

use selkie_core::{Error, ErrorKind};

use crate::sys::errno;

/// Binds the calling thread to one core. Cores are counted among those that the process may use,
/// and `index` beyond their number starts again at the first.
///
/// # Errors
///
/// An error of the system.
pub fn pin_to_cpu(index: usize) -> Result<(), Error> {
    // SAFETY: a set of cores is an array of bits, for which zeros are valid.
    let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the size are those of `allowed`.
    errno::check(unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &raw mut allowed) })?;
    // SAFETY: the number of a core is below the number of bits.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    let count = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).count();
    let chosen = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).nth(index % count.max(1));
    let Some(cpu) = chosen else { return Err(ErrorKind::Unsupported.into()) };
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number of the core is below the number of bits.
    unsafe { libc::CPU_SET(cpu, &mut one) };
    // SAFETY: the pointer and the size are those of `one`.
    errno::check(unsafe { libc::sched_setaffinity(0, size_of_val(&one), &raw const one) })?;
    Ok(())
}

/// Makes the kernel choose among the `listeners` of one address (all with `SO_REUSEPORT`) by the
/// core on which a connection arrives. That of core 0 goes to the listener that was opened first,
/// and so on, modulo their number. It is set for all of them through any one.
///
/// When a listener of the address is closed, call it again with the number that is left.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for no listeners, or an error of the system.
#[expect(clippy::cast_possible_truncation, reason = "codes of instructions are below 256")]
pub fn steer_by_cpu(listener: BorrowedFd<'_>, listeners: usize) -> Result<(), Error> {
    let count = u32::try_from(listeners).ok().filter(|&count| count > 0);
    let count = count.ok_or(ErrorKind::InvalidInput)?;
    let step = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // A negative address in a packet is a figure of the kernel's: socket(7), SO_ATTACH_BPF.
    let cpu = (libc::SKF_AD_OFF + libc::SKF_AD_CPU).cast_unsigned();
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, cpu),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, count),
        step(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the program and its steps are valid for the call, which copies them.
    errno::check(unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_to_one_core() {
        std::thread::spawn(|| {
            pin_to_cpu(0).unwrap();
            let core = std::thread::available_parallelism().unwrap();
            assert_eq!(core.get(), 1);
        })
        .join()
        .unwrap();
    }
}
