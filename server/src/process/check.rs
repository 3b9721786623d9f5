//! `--check-system`: whether the system is set up as a server like this needs it. A start warns of the same, but for what takes
//! time to find out.
//!
//! # Source
//! - what is looked at, and the form of the report: Redis 7.2

use crate::clock;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// What came of a check.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    /// The system does not tell.
    Skipped,
    /// What is wrong, and what to do.
    Warning(String),
}

/// Name and check, and whether a start does it too.
type Check = (&'static str, fn() -> Outcome, bool);

const CHECKS: &[Check] = &[
    ("slow-clocksource", slow_clock, false),
    ("xen-clocksource", xen_clock, true),
    ("overcommit", overcommit, true),
    ("THP", huge_pages, true),
    ("open-files", open_files, false),
    ("backlog", backlog, false),
];

/// Prints what there is to say. True if nothing is wrong.
pub fn run() -> bool {
    let mut all_fine = true;
    for (name, check, _) in CHECKS {
        let outcome = check();
        all_fine &= !matches!(outcome, Outcome::Warning(_));
        println!("[{name}]...{}", shown(&outcome));
    }
    all_fine
}

/// Logs what is wrong, as far as that is quickly found. Without huge pages, if that is wanted, there is nothing to say of them.
pub fn log(disables_huge_pages: bool) {
    let mends = disables_huge_pages && matches!(huge_pages(), Outcome::Warning(_));
    let mended = mends && rustix::thread::disable_transparent_huge_pages(true).is_ok();
    for (name, check, _) in CHECKS.iter().filter(|(_, _, at_start)| *at_start) {
        if mended && *name == "THP" {
            continue;
        }
        if let Outcome::Warning(text) = check() {
            tracing::warn!("WARNING {text}");
        }
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Fine => "OK".into(),
        Outcome::Skipped => "skipped".into(),
        Outcome::Warning(text) => format!("WARNING:\n{text}\n"),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(path)).ok().map(|text| text.trim().to_string())
}

const CLOCKS: &str = "/sys/devices/system/clocksource/clocksource0";

/// Whether looking at the clock takes a system call: then a loop that does nothing else spends its time in the kernel.
fn slow_clock() -> Outcome {
    const LOOP_NS: u64 = 50_000_000;
    let Some((user, system)) = own_cpu() else { return Outcome::Skipped };
    let start = clock::monotonic_ns();
    while clock::monotonic_ns() - start < LOOP_NS {}
    let Some((user_after, system_after)) = own_cpu() else { return Outcome::Skipped };
    let (user, system) = (user_after - user, system_after - system);
    if system * 10.0 <= user + system {
        return Outcome::Fine;
    }
    let of = |name: &str| read(&format!("{CLOCKS}/{name}")).unwrap_or_default();
    Outcome::Warning(format!(
        "Looking at the clock takes a system call here, and every command looks at it. The clock source is '{}', of '{}': \
         echo tsc > {CLOCKS}/current_clocksource chooses another until the next start of the machine, the kernel's parameter \
         clocksource= for good.",
        of("current_clocksource"),
        of("available_clocksource")
    ))
}

/// Processor time of this process so far, user and system, seconds.
fn own_cpu() -> Option<(f64, f64)> {
    let (user, system) = crate::memory::cpu_seconds(node::world::Whose::Own);
    (user + system > 0.0).then_some((user, system))
}

fn xen_clock() -> Outcome {
    match read(&format!("{CLOCKS}/current_clocksource")).as_deref() {
        None => Outcome::Skipped,
        Some("xen") => Outcome::Warning(
            "The clock source is 'xen', which can be slow: tidemark-server --check-system tells (slow-clocksource).".into(),
        ),
        Some(_) => Outcome::Fine,
    }
}

fn overcommit() -> Outcome {
    overcommit_of(read("/proc/sys/vm/overcommit_memory").as_deref())
}

fn overcommit_of(setting: Option<&str>) -> Outcome {
    match setting {
        None => Outcome::Skipped,
        Some("1") => Outcome::Fine,
        Some(_) => Outcome::Warning(
            "Memory overcommit must be enabled! Without it a snapshot or a full synchronization can fail although there is \
             memory enough, because the child could write to all of its parent's. Put 'vm.overcommit_memory = 1' into \
             /etc/sysctl.conf, and run 'sysctl vm.overcommit_memory=1'."
                .into(),
        ),
    }
}

fn huge_pages() -> Outcome {
    huge_pages_of(read("/sys/kernel/mm/transparent_hugepage/enabled").as_deref())
}

fn huge_pages_of(setting: Option<&str>) -> Outcome {
    match setting {
        None => Outcome::Skipped,
        Some(text) if text.contains("[always]") => Outcome::Warning(
            "Transparent huge pages are always used: while a child makes a snapshot, each first write to a page copies 2 MB \
             instead of 4 KB. Run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' at each start of the machine, \
             before the server."
                .into(),
        ),
        Some(_) => Outcome::Fine,
    }
}

/// Whether as many files can be open as the usual number of clients needs.
fn open_files() -> Outcome {
    const USUAL: u64 = 10_000 + 32;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < USUAL => Outcome::Warning(format!(
            "A process may have {most} files open, so 'maxclients' will be less than its usual 10000. Raise 'ulimit -n', or \
             LimitNOFILE of the service."
        )),
        _ => Outcome::Fine,
    }
}

/// Whether as many connections can wait to be accepted as `tcp-backlog` usually allows.
fn backlog() -> Outcome {
    const USUAL: u64 = 511;
    let Some(most) = read("/proc/sys/net/core/somaxconn").and_then(|text| text.parse::<u64>().ok())
    else {
        return Outcome::Skipped;
    };
    if most >= USUAL {
        return Outcome::Fine;
    }
    Outcome::Warning(format!(
        "The usual 'tcp-backlog' of {USUAL} cannot be had, because net.core.somaxconn is {most}: 'sysctl \
         net.core.somaxconn={USUAL}'."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_judged_by_what_they_say() {
        let is_warning = |outcome| matches!(outcome, Outcome::Warning(_));
        assert_eq!(overcommit_of(None), Outcome::Skipped);
        assert_eq!(overcommit_of(Some("1")), Outcome::Fine);
        assert!(is_warning(overcommit_of(Some("0"))) && is_warning(overcommit_of(Some("2"))));
        assert_eq!(huge_pages_of(Some("always [madvise] never")), Outcome::Fine);
        assert_eq!(huge_pages_of(Some("always madvise [never]")), Outcome::Fine);
        assert!(is_warning(huge_pages_of(Some("[always] madvise never"))));
    }

    #[test]
    fn every_check_comes_to_an_end_and_says_what_to_do() {
        for (name, check, _) in CHECKS {
            let text = shown(&check());
            assert!(text == "OK" || text == "skipped" || text.contains('\''), "{name}: {text}");
        }
    }
}
