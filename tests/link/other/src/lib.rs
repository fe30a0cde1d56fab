//! Uses what collides when two Rust libraries meet in one program: threads, thread locals, panics and their catching.

use std::cell::Cell;
use std::panic::catch_unwind;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Returns 0 if a thread ran, a panic was caught, and its message arrived.
#[unsafe(no_mangle)]
pub extern "C" fn other_run() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    CALLS.set(CALLS.get() + 1);
    let sum = std::thread::spawn(|| {
        CALLS.set(CALLS.get() + 10);
        CALLS.get() + (1..=100).map(|n| n.to_string().len() as u32).sum::<u32>()
    })
    .join();
    if sum.ok() != Some(10 + 192) || CALLS.get() == 0 {
        return 1;
    }
    match catch_unwind(|| panic!("caught {}", CALLS.get())) {
        Ok(()) => 2,
        Err(reason) => match reason.downcast_ref::<String>() {
            Some(text) if text.starts_with("caught ") => 0,
            _ => 3,
        },
    }
}
