//! The echo: any bytes are good ones, so what is left are clients that are slow, or gone.

use std::io::Write;

use crate::{beside, clients, close_in_the_middle, reset, trickle};

#[test]
fn clients_that_trickle_vanish_or_stay_silent_keep_no_other_from_being_served() {
    let server = crate::start(crate::server::PROGRAM, &["--idle-timeout", "2"]);
    let target = server.target();
    beside(
        || target.serves(),
        || {
            let mut silent = target.connect();
            let mut slow = target.connect();
            // For longer than the idle time: a byte in time is enough.
            let message = [7; 40];
            for byte in message {
                assert_eq!(trickle(&mut slow, &[byte]), 1);
                clients::expect(&mut slow, &[byte]);
            }
            close_in_the_middle(&server, &vec![9; 100_000]);
            let mut unread = target.connect();
            unread.write_all(&[1; 10_000]).expect("the server takes a page");
            reset(unread);
            assert_eq!(crate::rest(&mut silent), b"", "a silent client is closed in time");
            clients::leave(slow);
        },
    );
    let report = server.stop();
    assert!(report.figure_before(" idle") >= 1, "{}", report.text);
    assert!(report.figure_before(" reset") >= 1, "{}", report.text);
}
