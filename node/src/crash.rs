//! What a crash log says of the node: what it was doing, INFO, who was connected.
//!
//! It is read after a fault, perhaps half-way through a change, and each part is written before the next is made: the
//! ones that need least come first.
//!
//! # Not here
//! - when and how it is written: the process

use crate::admin::{client, info};
use crate::node::Node;
use engine::Session;

/// A part of a crash log.
pub struct Part {
    /// The line above it.
    pub title: &'static str,
    /// Makes it: lines.
    pub text: fn(&Node) -> String,
}

/// The parts, in order.
pub const PARTS: &[Part] = &[
    Part { title: "LAST COMMAND", text: last_command },
    Part { title: "INFO OUTPUT", text: info_output },
    Part { title: "CLIENT LIST OUTPUT", text: clients },
];

/// The command that was being executed, or the last one that was, and whose it was.
fn last_command(node: &Node) -> String {
    let Some((spec, slot)) = node.engine.last_command() else { return "none\n".into() };
    let client = node.host.clients.get(slot);
    let address = client.map_or("nobody who is connected", |client| &client.address);
    format!("{} from {address}\n", spec.name)
}

fn info_output(node: &Node) -> String {
    info::text(&node.host, &node.engine, &Session::new(0), &["everything".into()])
}

/// Clients as CLIENT LIST shows them. The one whose command is executed is away from its place.
fn clients(node: &Node) -> String {
    let mut text = String::new();
    for (slot, client) in node.host.clients.iter() {
        match node.engine.session(slot) {
            Some(session) => {
                text += &client::line(client, session, node.engine.steady_ms, 0);
                text.push('\n');
            }
            None => text += &format!("id={} addr={} executing\n", client.id, client.address),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bench::Bench;

    #[test]
    fn every_part_can_be_made_between_turns_and_while_a_session_is_away() {
        let mut bench = Bench::new(|_| ());
        let text = |bench: &Bench| -> Vec<String> {
            PARTS.iter().map(|part| (part.text)(&bench.node)).collect()
        };
        assert_eq!(text(&bench)[0], "none\n");
        let slot = bench.connect();
        bench.ask(slot, "ECHO hello");
        let [command, info, clients] = &text(&bench)[..] else { panic!("there are three") };
        assert!(command.starts_with("echo from "), "{command}");
        assert!(info.contains("redis_version:"), "{info}");
        assert!(clients.starts_with("id="), "{clients}");
        let session = bench.node.engine.take_session(slot);
        assert!(text(&bench)[2].ends_with("executing\n"));
        bench.node.engine.return_session(session);
    }
}
