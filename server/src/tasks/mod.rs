//! What gives the node its turns, beside its clients: timers, threads, children, the link to a primary, the end.
//!
//! - here: the timer, the flush, the disk, alarms
//! - [`child`]: a child that writes a file; [`full_sync`]: one whose snapshot goes to replicas
//! - [`link`]: the connection to our primary; [`end`]: the end of the process

pub mod child;
pub mod end;
pub mod full_sync;
pub mod link;

use crate::clock;
use crate::eventloop;
use crate::shell::{Shared, Signals};
use node::Event;
use node::timer::TICK_MS;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The longest time to sleep at once.
const HOUR: Duration = Duration::from_secs(3600);
/// Ticks between two looks at buffers that are larger than usual.
const TRIM_TICKS: u64 = 10;

/// Starts the tasks that last as long as the process.
pub fn start(shell: &Shared, published: Arc<Notify>) {
    tokio::task::spawn_local(tick(Rc::clone(shell)));
    tokio::task::spawn_local(flush(Rc::clone(shell)));
    tokio::task::spawn_local(react(Rc::clone(shell)));
    tokio::task::spawn_local(alarms(Rc::clone(shell)));
    tokio::task::spawn_local(disk(Rc::clone(shell), published));
    tokio::task::spawn_local(link::run(Rc::clone(shell)));
    tokio::task::spawn_local(end::run(Rc::clone(shell)));
}

/// Ticks until the process ends.
async fn tick(shell: Shared) {
    let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0u64.. {
        tick.tick().await;
        let shell = &mut *shell.borrow_mut();
        eventloop::timer(|| shell.turn(Event::Tick));
        if count.is_multiple_of(TRIM_TICKS) {
            shell.scratch.trim();
        }
    }
}

/// Reacts at once to what cannot wait for the next tick.
async fn react(shell: Shared) {
    let signals = Signals::of(&shell);
    loop {
        signals.react.notified().await;
        shell.borrow_mut().turn(Event::React);
        // A script that pauses asks again at once: what has come meanwhile is looked at first.
        tokio::task::yield_now().await;
    }
}

/// Ships the journal after the writes of a loop iteration.
async fn flush(shell: Shared) {
    let signals = Signals::of(&shell);
    loop {
        signals.flush.notified().await;
        let shell = &mut *shell.borrow_mut();
        eventloop::append(|| shell.turn(Event::Flush));
    }
}

/// Looks at what the append thread published.
async fn disk(shell: Shared, published: Arc<Notify>) {
    loop {
        published.notified().await;
        shell.borrow_mut().turn(Event::Disk);
    }
}

/// Ends waits and pauses at their moment.
async fn alarms(shell: Shared) {
    let signals = Signals::of(&shell);
    loop {
        let next = shell.borrow().node.next_alarm_ms();
        let sleep = match next {
            // No longer than the runtime's clock reaches: then it looks again.
            Some(at) => {
                Duration::from_millis((at as u64).saturating_sub(clock::monotonic_ms())).min(HOUR)
            }
            None => HOUR,
        };
        tokio::select! {
            _ = tokio::time::sleep(sleep) => {}
            _ = signals.alarm.notified() => {}
        }
        shell.borrow_mut().turn(Event::Alarm);
    }
}
