//! The process's limit of descriptors.

use std::ffi::c_int;

use crate::sys::descriptor_limit::DescriptorLimit;
use crate::sys::errno;

/// Returns the process's soft limit, or an error number.
pub(crate) fn soft_limit() -> Result<u64, c_int> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(errno::number());
    }
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        reason = "the type differs from system to system"
    )]
    Ok(limit.rlim_cur as u64)
}

/// Raises the process's limit to `needed` descriptors, and returns the limit. A limit that is high
/// enough is left alone; the hard limit is raised only where the process has the privilege.
///
/// Call it before a selector is made, since selectors size a table by the hard limit.
///
/// # Errors
///
/// [`DescriptorLimit`], whose message says what to do.
pub fn raise_descriptor_limit(needed: u64) -> Result<u64, DescriptorLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(DescriptorLimit { needed, allowed: 0, code: errno::number() });
    }
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        reason = "the type differs from system to system"
    )]
    let (soft, hard) = (limit.rlim_cur as u64, limit.rlim_max as u64);
    if soft >= needed {
        return Ok(soft);
    }
    #[allow(irrefutable_let_patterns, reason = "the type differs from system to system")]
    let Ok(wanted) = libc::rlim_t::try_from(needed) else {
        return Err(DescriptorLimit { needed, allowed: hard, code: 0 });
    };
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max.max(wanted);
    // SAFETY: `limit` is valid for the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(DescriptorLimit { needed, allowed: hard, code: errno::number() });
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_high_enough_is_left_alone() {
        let soft = raise_descriptor_limit(1).unwrap();
        assert_eq!(raise_descriptor_limit(soft), Ok(soft));
    }

    #[test]
    fn an_impossible_limit_says_what_to_do() {
        let error = raise_descriptor_limit(u64::MAX / 2).unwrap_err();
        assert!(error.to_string().contains("LimitNOFILE"), "{error}");
    }
}
