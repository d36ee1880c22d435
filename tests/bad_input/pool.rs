//! The pool: lines that are no numbers, without end, and clients that leave before their answer.

use std::io::Write;

use crate::{answer_to, answer_to_half, beside, clients, trickle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pool");
const REFUSAL: &[u8] = b"a number of at most 1000000, please\n";

#[test]
fn lines_that_are_no_numbers_too_long_slow_or_cut_off_keep_no_other_waiting() {
    let server = crate::start(PROGRAM, &["--workers", "2"]);
    let count = || assert_eq!(answer_to_half(&server, b"100\n"), b"25\n");
    beside(count, || {
        for line in ["ten", "", "-1", "+", "1000001", "99999999999", "1 2", "\u{ff}", "\0"] {
            let answer = answer_to_half(&server, format!("{line}\n10\n").as_bytes());
            assert_eq!(answer, [REFUSAL, b"4\n"].concat(), "{line:?}");
        }
        assert_eq!(answer_to(&server, &[b'1'; 5000]), REFUSAL);
        assert_eq!(answer_to_half(&server, b"10\n20"), b"4\n", "a half of a line is no request");
        let mut slow = server.target().connect();
        assert_eq!(trickle(&mut slow, b"1000\n"), 5);
        clients::expect(&mut slow, b"168\n");
        crate::expect_pipelined(&mut slow, b"?             \n", REFUSAL);
        clients::leave(slow);
        crate::close_in_the_middle(&server, b"100\n10000\n1");
        let mut unread = server.target().connect();
        unread.write_all(&b"10\n".repeat(1000)).expect("it takes lines");
        crate::reset(unread);
    });
    assert!(server.stop().figure("jobs") > 20);
}
