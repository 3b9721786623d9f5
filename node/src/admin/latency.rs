//! LATENCY DOCTOR: what the latency monitor has seen, in words, and what may help.
//!
//! # Not here
//! - the events, and the other subcommands: `engine`

use crate::config::{AppendFsync, Settings};
use crate::node::Outside;
use engine::context::{Context, Done};
use engine::latency::{Event, Latency, Series};
use engine::refusal::Refusal;

/// What the report needs to know beside the events.
struct Facts {
    now_s: i64,
    slower_than_us: i64,
    appendfsync: AppendFsync,
    /// Bytes of memory that one second of fork is enough for; 0 if there was none.
    fork_bytes_per_s: f64,
    huge_page_bytes: usize,
}

impl Facts {
    fn of(host: &Outside, now_ms: i64) -> Facts {
        let settings: &Settings = &host.settings;
        let us = host.child.fork_us.max(1) as f64;
        Facts {
            now_s: now_ms.div_euclid(1000),
            slower_than_us: settings.slowlog_log_slower_than,
            appendfsync: settings.appendfsync,
            fork_bytes_per_s: host.child.fork_bytes as f64 * 1e6 / us,
            huge_page_bytes: host.world.huge_page_bytes(),
        }
    }
}

/// `LATENCY DOCTOR`.
pub fn doctor(host: &Outside, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
    let facts = Facts::of(host, ctx.engine.now_ms);
    let text = report(&ctx.engine.latency, &facts);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(Done::NOTHING)
}

fn report(latency: &Latency, facts: &Facts) -> String {
    let events: Vec<(Event, &Series)> = latency.events().collect();
    if events.is_empty() && !latency.is_on() {
        return "The latency monitor is off. CONFIG SET latency-monitor-threshold MILLISECONDS switches it on.\n"
            .into();
    }
    let mut advice: Vec<String> = Vec::new();
    let mut text = String::new();
    for (number, (event, series)) in (1..).zip(&events) {
        text += &format!("{number}. {}\n", describe(*event, series, facts));
        for line in advise(*event, latency.threshold_ms(), facts) {
            if !advice.contains(&line) {
                advice.push(line);
            }
        }
    }
    if facts.huge_page_bytes > 0 {
        advice.push(format!(
            "{} MB of this process are in huge pages: a write behind a fork copies 2 MB then, not 4 KB. Switch them off \
             (echo never > /sys/kernel/mm/transparent_hugepage/enabled) and restart.",
            (facts.huge_page_bytes >> 20).max(1)
        ));
    }
    let head = match events.len() {
        0 => "Nothing took as long as latency-monitor-threshold says.\n",
        _ => "What took long:\n\n",
    };
    let mut text = format!("{head}{text}");
    if !advice.is_empty() {
        text += "\nWhat may help:\n\n";
        advice.iter().for_each(|line| text += &format!("- {line}\n"));
    }
    text
}

/// One event: how often, how long, how regular.
fn describe(event: Event, series: &Series, facts: &Facts) -> String {
    let samples = series.samples();
    let count = samples.len() as u64;
    let average = samples.clone().map(|sample| sample.ms).sum::<u64>() / count;
    let deviation = samples.clone().map(|sample| sample.ms.abs_diff(average)).sum::<u64>() / count;
    let first_s = samples.clone().map(|sample| sample.time_s).min().unwrap_or(facts.now_s);
    let period = (facts.now_s - first_s).max(1) as f64 / count as f64;
    let mut text = format!(
        "{}: {count} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2} sec). \
         Worst all time event {}ms.",
        event.name(),
        series.most_ms()
    );
    if event == Event::Fork && facts.fork_bytes_per_s > 0.0 {
        let (rate, word) = fork_rate(facts);
        text += &format!(" Fork rate is {rate:.2} GB/sec ({word}).");
    }
    text
}

fn fork_rate(facts: &Facts) -> (f64, &'static str) {
    let rate = facts.fork_bytes_per_s / f64::from(1 << 30);
    let word = match rate {
        ..10.0 => "terrible",
        ..25.0 => "poor",
        ..100.0 => "good",
        _ => "excellent",
    };
    (rate, word)
}

/// What may help against an event.
fn advise(event: Event, threshold_ms: u64, facts: &Facts) -> Vec<String> {
    const DISK: &str = "The disk is slow, or busy with something else. A local solid-state disk that nobody else writes to \
                        is best.";
    let mut lines: Vec<String> = Vec::new();
    match event {
        Event::Command => {
            let us = threshold_ms.saturating_mul(1000);
            if facts.slower_than_us < 0 || facts.slower_than_us as u64 > us {
                lines.push(format!(
                    "The slow log does not show all commands that are counted here: CONFIG SET slowlog-log-slower-than {us}."
                ));
            }
            lines.push("SLOWLOG GET shows the commands. Ask for less at once, or let a replica answer.".into());
        }
        Event::FastCommand => lines.push(
            "Commands that take no time took long, so the process did not run: look for a processor that is shared with \
             others, swapping, or a host that takes its time away (redis-cli --intrinsic-latency 100)."
                .into(),
        ),
        Event::Fork if fork_rate(facts).0 < 25.0 => lines.push(
            "Forking is slow on this machine. Save less often, keep less data in one process, or let a replica save."
                .into(),
        ),
        Event::AppendWrite | Event::AppendFsync | Event::AofRename | Event::RdbUnlink => {
            lines.push(DISK.into());
        }
        Event::ReleaseWait => {
            lines.push(DISK.into());
            if facts.appendfsync == AppendFsync::Always {
                lines.push(
                    "appendfsync is 'always': replies wait for the disk. With 'everysec' they do not, and a crash of the \
                     machine can take the last second."
                        .into(),
                );
            }
        }
        Event::ExpireCycle => lines.push(
            "Many keys expire at once. Spread the times at which they do.".into(),
        ),
        Event::EvictionDel | Event::EvictionCycle => lines.push(
            "Much had to be given up at once for want of memory: after CONFIG SET maxmemory, or for one large value. \
             Lower maxmemory in steps, and write large values in parts."
                .into(),
        ),
        Event::Fork => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            now_s: 100,
            slower_than_us: 10_000,
            appendfsync: AppendFsync::EverySecond,
            fork_bytes_per_s: 20.0 * f64::from(1 << 30),
            huge_page_bytes: 0,
        }
    }

    #[test]
    fn events_are_described_and_each_advice_is_given_once() {
        let mut latency = Latency::default();
        assert!(report(&latency, &facts()).starts_with("The latency monitor is off."));
        latency.set_threshold(2);
        assert!(report(&latency, &facts()).starts_with("Nothing took as long"));
        for (event, ms, second) in [
            (Event::Command, 10, 80),
            (Event::Command, 20, 90),
            (Event::Fork, 30, 99),
            (Event::AppendWrite, 5, 99),
            (Event::AppendFsync, 6, 99),
        ] {
            latency.note(event, ms * 1_000_000, second * 1000);
        }
        let text = report(&latency, &facts());
        let command = "command: 2 latency spikes (average 15ms, mean deviation 5ms, period 10.00 sec). \
                       Worst all time event 20ms.\n";
        assert!(text.contains(command), "{text}");
        assert!(text.contains("Fork rate is 20.00 GB/sec (poor)."), "{text}");
        assert_eq!(text.matches("The disk is slow").count(), 1);
        assert!(text.contains("slowlog-log-slower-than 2000."), "{text}");
        let calm = Facts { slower_than_us: 1000, huge_page_bytes: 3 << 20, ..facts() };
        let text = report(&latency, &calm);
        assert!(!text.contains("slowlog-log-slower-than") && text.contains("3 MB"), "{text}");
    }

    #[test]
    fn there_is_something_to_say_of_every_event() {
        for event in Event::ALL {
            let slow = Facts { fork_bytes_per_s: 1.0, ..facts() };
            assert!(!advise(*event, 1, &slow).is_empty(), "{event:?}");
        }
    }
}
