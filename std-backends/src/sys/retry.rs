//! Repeating calls that were interrupted.

use selkie_core::{Error, ErrorKind};

use super::errno;

/// Makes a call that moves bytes, and repeats it while it is interrupted.
pub(crate) fn retried(mut call: impl FnMut() -> isize) -> Result<usize, Error> {
    let result = retry_interrupted(call(), call);
    if result < 0 { Err(error_of(result)) } else { Ok(result.unsigned_abs()) }
}

/// Repeats a call while it is interrupted, after its first `result`. Returns a number of bytes, or
/// the negative error number: one word, which fits a register.
#[inline]
pub(crate) fn retry_interrupted(mut result: isize, mut call: impl FnMut() -> isize) -> isize {
    while result < 0 {
        match errno::number() {
            errno::INTERRUPTED => result = call(),
            code => return -(code as isize),
        }
    }
    result
}

/// The result of [`retry_interrupted`] for a call that would block.
pub(crate) const NOTHING_YET: isize = -(errno::WOULD_BLOCK as isize);

/// The result for a handle that names nothing.
pub(crate) const STALE: isize = isize::MIN;

/// Returns the negative error number of the last failed call.
pub(crate) fn last_failure() -> isize {
    -(errno::number() as isize)
}

/// Converts a negative error number of [`retry_interrupted`], or [`STALE`].
#[cold]
#[inline(never)]
pub(crate) fn error_of(number: isize) -> Error {
    if number == STALE {
        return ErrorKind::Stale.into();
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was an `i32` before")]
    match -number as i32 {
        errno::WOULD_BLOCK => Error::WOULD_BLOCK,
        code => errno::from_errno(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_repeated() {
        const FAILED: i32 = 32;
        let mut results = [-1, -1, 3].into_iter();
        errno::restore(errno::INTERRUPTED);
        assert_eq!(retry_interrupted(-1, || results.next().unwrap()), 3);
        assert_eq!(results.next(), None);
        errno::restore(FAILED);
        assert_eq!(
            retry_interrupted(-1, || unreachable!("it failed for good")),
            -(FAILED as isize)
        );
    }
}
