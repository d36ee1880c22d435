//! The conformance suite in WebAssembly runtimes: every contract of a selector and a transport, in
//! front of real peers.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::clients::PATIENCE;
use crate::remote_peer::RemotePeer;
use crate::runtime::{Runtime, Taken, first_that_is_not_taken, is_taken};

/// A program that is ended when it has not been heard of for too long.
struct Watchdog {
    child: Arc<Mutex<Child>>,
    sign_of_life: Sender<()>,
}

impl Watchdog {
    fn new(child: Child) -> Self {
        let child = Arc::new(Mutex::new(child));
        let (sign_of_life, signs) = mpsc::channel();
        let watched = child.clone();
        thread::spawn(move || {
            loop {
                match signs.recv_timeout(PATIENCE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            let _ = watched.lock().expect("no thread panics with it").kill();
        });
        Self { child, sign_of_life }
    }
}

/// Runs the cases whose names have `words` in them, and prints what comes of each. Gives how many
/// passed. Without runtimes there are none.
fn run(runtime: Runtime, words: &str) -> Result<Option<usize>, Taken> {
    let Some((mut command, addresses)) = runtime.conformance(words) else { return Ok(None) };
    let mut child = command.spawn().expect("the runtime can be run");
    let process = child.id();
    let mut input = child.stdin.take().expect("its input is piped");
    let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
    let watchdog = Watchdog::new(child);
    let (mut remote, mut case) = (RemotePeer::default(), String::new());
    let (mut passed, mut failed) = (0, Vec::new());
    let (mut line, mut is_silent) = (String::new(), true);
    while output.read_line(&mut line).expect("what it prints is text") > 0 {
        let _ = watchdog.sign_of_life.send(());
        is_silent = false;
        match line.trim_end().split_once(' ') {
            Some(("ask", question)) => {
                // If it has ended meanwhile, there is no more output either.
                let _ = remote.answer(question, &mut output, &mut input, process);
            }
            Some(("begin", name)) => (remote, case) = (RemotePeer::default(), name.to_owned()),
            Some(("end", outcome)) => {
                println!("{case}: {outcome}");
                match outcome.split_once(": ") {
                    None => passed += 1,
                    Some(("not applicable" | "deviates", _)) => {}
                    Some(_) => failed.push(format!("{case}: {outcome}")),
                }
            }
            _ => print!("{line}"),
        }
        line.clear();
    }
    let Watchdog { child, sign_of_life } = watchdog;
    drop(sign_of_life);
    let status = child.lock().expect("no thread panics with it").wait().expect("the child is ours");
    if is_silent && addresses.iter().any(|address| is_taken(*address)) {
        return Err(Taken);
    }
    assert!(status.success(), "{runtime:?} ended with {status} in the case {case:?}");
    assert!(failed.is_empty(), "{runtime:?}: {failed:#?}");
    Ok(Some(passed))
}

/// Runs all cases. On WASI 0.1 those about connecting are not applicable, and on 0.2 those about
/// sources that break.
pub(crate) fn whole_suite(runtime: Runtime) {
    /// Fewer than that, and something keeps the cases from being tried.
    const PASSED_MIN: usize = 110;

    /// Cases that count waits want the machine to themselves, as far as that goes.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(passed) = first_that_is_not_taken(|| run(runtime, "")) else { return };
    assert!(passed >= PASSED_MIN, "only {passed} cases are applicable");
}
