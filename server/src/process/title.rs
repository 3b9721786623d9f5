//! What `ps` shows of this process (`set-proc-title`, `proc-title-template`).
//!
//! The kernel shows the bytes between two addresses that it keeps for each process: at first the words of the command line.
//! We point them to a page of our own, once, and write titles there. So nothing of the old words and of the environment
//! is overwritten, which other code may hold pointers to (rejected: what setproctitle does), and a title may be longer.
//!
//! ```text
//! arg_start ─► tidemark-server *:6379 \0 \0 … \0 x ◄─ arg_end: with another last byte than zero the title ends at the first
//! ```
//!
//! Where the kernel does not allow it, the title stays, and the log says so. Children that save show their parent's title.
//!
//! # Source
//! - `PR_SET_MM_MAP` in `prctl(2)`; `proc_pid_stat(5)` for the fields; Redis 7.2 for the variables

use node::config::Settings;
use rustix::process::{PrctlMmMap, configure_virtual_memory_map};
use std::path::Path;

/// The kernel shows no more than a page.
const PAGE: usize = 4096;
/// The most of a title: a zero and the last byte follow.
const LONGEST: usize = PAGE - 2;

#[repr(align(4096))]
struct Page([u8; PAGE]);

/// The page that is shown.
pub struct Title(&'static mut Page);

impl Title {
    /// Lets the kernel show a page of ours from now on: with `text` in it.
    ///
    /// No other thread may exist yet: it might move the program break meanwhile.
    pub fn take(text: &str) -> Result<Title, String> {
        let mut title = Title(Box::leak(Box::new(Page([0; PAGE]))));
        title.set(text);
        let stat = std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
        let fields = numbers(&stat).ok_or("/proc/self/stat has other fields")?;
        let field = |number: usize| fields.get(number - FIRST).copied().unwrap_or(0);
        let start = title.0.0.as_ptr() as u64;
        // SAFETY: an increment of zero only asks.
        let brk = unsafe { libc::sbrk(0) } as u64;
        let map = PrctlMmMap {
            start_code: field(26),
            end_code: field(27),
            start_data: field(45),
            end_data: field(46),
            start_brk: field(47),
            brk,
            start_stack: field(28),
            arg_start: start,
            arg_end: start + PAGE as u64,
            env_start: field(50),
            env_end: field(51),
            auxv: std::ptr::null_mut(),
            auxv_size: 0,
            exe_fd: -1,
        };
        // SAFETY: all addresses are those that are in force, but the two of a page that is never freed.
        unsafe { configure_virtual_memory_map(&map) }
            .map_err(|error| std::io::Error::from(error).to_string())?;
        Ok(title)
    }

    /// Shows `text`, or the beginning of it.
    pub fn set(&mut self, text: &str) {
        let shown = &text.as_bytes()[..text.len().min(LONGEST)];
        self.0.0 = [0; PAGE];
        self.0.0[..shown.len()].copy_from_slice(shown);
        self.0.0[PAGE - 1] = b'x';
    }
}

/// The first field of `/proc/self/stat` behind the program's name.
const FIRST: usize = 3;

/// Its fields from that one on. What is no number, as the state, is 0; so is a negative one.
fn numbers(stat: &str) -> Option<Vec<u64>> {
    let (_, behind) = stat.rsplit_once(')')?;
    let fields: Vec<u64> =
        behind.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    (fields.len() > 51 - FIRST).then_some(fields)
}

/// The title that a configuration asks for.
pub fn expand(settings: &Settings, config_file: Option<&Path>) -> String {
    let program = std::env::args().next().unwrap_or_default();
    let port = settings.port.to_string();
    let address = match settings.port {
        0 => format!("unixsocket:{}", settings.unixsocket),
        _ => format!("{}:{port}", settings.bind.0.first().map_or("*", String::as_str)),
    };
    let file = config_file.map_or_else(|| "-".into(), |path| path.display().to_string());
    let value = |name: &str| match name {
        "title" => program.as_str(),
        "listen-addr" => address.as_str(),
        "port" => port.as_str(),
        "tls-port" => "0",
        "unixsocket" => settings.unixsocket.as_str(),
        "config-file" => file.as_str(),
        // We are no cluster's node and no Sentinel.
        _ => "",
    };
    let mut title = String::new();
    let mut rest = settings.proc_title_template.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        title.push_str(before);
        title.push_str(value(name));
        rest = behind;
    }
    title.push_str(rest);
    title.trim_matches(' ').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let mut settings = Settings { port: 7000, ..Settings::default() };
        let mut expanded = |template: &str, file: Option<&str>| {
            settings.proc_title_template = template.into();
            expand(&settings, file.map(Path::new))
        };
        assert_eq!(expanded("{listen-addr} {server-mode}", None), "*:7000");
        assert_eq!(expanded(" x{port}y{tls-port} {config-file}", None), "x7000y0 -");
        assert_eq!(expanded("{config-file}{unixsocket}", Some("/a.conf")), "/a.conf");
        assert!(expanded("{title}", None).contains("tidemark"));
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("a process");
        let fields = numbers(&stat).expect("all fields");
        // The command line lies between fields 48 and 49, and the environment behind it.
        assert!(
            fields[48 - FIRST] < fields[49 - FIRST] && fields[49 - FIRST] <= fields[50 - FIRST]
        );
        assert_eq!(numbers("1 (a) b) R 2 3"), None);
    }
}
