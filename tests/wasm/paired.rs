//! Listeners of WASI 0.3 and of 0.2 in one loop, over a `Pair`.

use crate::clients::{self, Target};
use crate::runtime::Runtime;
use crate::sources::Program;

#[test]
fn clients_of_both_platforms_of_a_pair_are_served_in_one_loop() {
    for name in ["wasmtime-48", "wasmtime-49"] {
        let runtime = Runtime::Wasmtime03(name);
        let Some(command) = runtime.watching("paired", true, &[]) else { return };
        let program = Program::spawn(command);
        let targets = [(); 2].map(|()| Target {
            address: program.next_address("clients to "),
            capacity: 16,
            idle_timeout: None,
        });
        for target in &targets {
            clients::interleaved(target);
        }
        std::thread::scope(|scope| {
            for target in &targets {
                scope.spawn(|| clients::large_with_half_close(target, 1 << 20));
            }
        });
    }
}
