//! The end of the process: the node is asked again and again whether it can come, while somebody wants it.

use crate::shell::{Shared, Signals};
use node::Event;
use std::time::Duration;

/// Between two looks at whether replicas have caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until somebody asks, and ends the process. Returns never but for the process's end.
pub async fn run(shell: Shared) {
    let signals = Signals::of(&shell);
    loop {
        let waits = shell.borrow().node.wants_to_end();
        tokio::select! {
            () = signals.end.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN), if waits => {}
        }
        let is_there = {
            let shell = &mut *shell.borrow_mut();
            shell.turn(Event::LookAtEnd);
            std::mem::take(&mut shell.end_is_there)
        };
        if is_there {
            // What was journaled last is on its way to replicas when the process is gone.
            tokio::task::yield_now().await;
            shell.borrow_mut().turn(Event::End);
        }
    }
}
