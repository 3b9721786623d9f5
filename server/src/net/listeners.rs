//! The TCP addresses that clients can connect to, and how they change while we serve.
//!
//! ```text
//! those that stay are left alone ─► bind what is free ─► close what is in the way ─► bind the rest ─► close the others
//!                                   ╰ fails: nothing has changed                     ╰ fails: bind again what was closed
//! ```
//!
//! # Invariants
//! - an address that stays is not closed in between: who waits there to be let in is not turned away
//! - an address that is given up is free when that is said, not when the task that accepts has its next turn

use super::listen::{Listener, Socket, Wanted, accept, bind_tcp, failed_on, wanted};
use crate::shell::Shared;
use node::config::Settings;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::task::AbortHandle;

/// All of them.
#[derive(Default)]
pub struct Listeners {
    open: Vec<Place>,
}

/// One of them, with the task that accepts.
struct Place {
    address: SocketAddr,
    socket: Socket,
    task: AbortHandle,
}

impl Place {
    fn open((address, listener): (SocketAddr, Listener), shell: &Shared) -> Place {
        let socket = Socket::new(listener);
        let task = tokio::task::spawn_local(accept(socket.clone(), Rc::clone(shell)));
        Place { address, socket, task: task.abort_handle() }
    }

    /// Nobody is let in here any more.
    fn close(self) -> SocketAddr {
        self.socket.close();
        self.task.abort();
        self.address
    }
}

/// Whether two sockets cannot listen beside each other. Those for IPv6 are not for IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// Binds these as well. One that is optional may fail.
fn bind(
    wanted: &[Wanted],
    backlog: u32,
    bound: &mut Vec<(SocketAddr, Listener)>,
) -> Result<(), String> {
    for wanted in wanted {
        match bind_tcp(wanted.address, backlog) {
            Ok(listener) => bound.push((wanted.address, listener)),
            Err(_) if wanted.optional => {}
            Err(error) => return Err(wanted.failed(&error)),
        }
    }
    Ok(())
}

impl Listeners {
    /// Listens where the configuration says now, and nowhere else.
    ///
    /// # Errors
    /// When an address cannot be had that is not optional, or none at all. What was listened on before still is then; the log
    /// names what of it could not be bound again.
    pub fn change(&mut self, settings: &Settings, shell: &Shared) -> Result<(), String> {
        let backlog = settings.tcp_backlog;
        let mut old = mem::take(&mut self.open);
        let wanted = wanted(settings).inspect_err(|_| self.open.append(&mut old))?;
        let mut missing = Vec::new();
        for wanted in wanted {
            match old.iter().position(|place| place.address == wanted.address) {
                Some(index) => self.open.push(old.swap_remove(index)),
                None => missing.push(wanted),
            }
        }
        let is_in_way =
            |place: &Place| missing.iter().any(|wanted| overlap(place.address, wanted.address));
        let (in_way, mut others): (Vec<Place>, Vec<Place>) = old.into_iter().partition(is_in_way);
        let is_late = |wanted: &Wanted| in_way.iter().any(|p| overlap(p.address, wanted.address));
        let (late, free): (Vec<Wanted>, Vec<Wanted>) = missing.into_iter().partition(is_late);
        let mut bound = Vec::new();
        if let Err(error) = bind(&free, backlog, &mut bound) {
            self.open.extend(in_way);
            self.open.append(&mut others);
            return Err(error);
        }
        let closed: Vec<SocketAddr> = in_way.into_iter().map(Place::close).collect();
        let mut done = bind(&late, backlog, &mut bound);
        let is_none = self.open.is_empty() && bound.is_empty();
        if is_none && settings.port != 0 && !settings.bind.0.is_empty() {
            done = Err(failed_on(settings.port));
        }
        if let Err(error) = done {
            drop(bound);
            self.open.append(&mut others);
            self.reopen(closed, backlog, shell);
            return Err(error);
        }
        for place in others {
            place.close();
        }
        self.open.extend(bound.into_iter().map(|bound| Place::open(bound, shell)));
        Ok(())
    }

    /// Listens nowhere any more.
    pub fn close(&mut self) {
        for place in self.open.drain(..) {
            place.close();
        }
    }

    /// Listens again where we did a moment ago.
    fn reopen(&mut self, closed: Vec<SocketAddr>, backlog: u32, shell: &Shared) {
        for address in closed {
            match bind_tcp(address, backlog) {
                Ok(listener) => self.open.push(Place::open((address, listener), shell)),
                Err(error) => tracing::warn!("Listening on {address} again: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_way_of_itself_and_of_all_of_its_kind() {
        let overlaps = |one: &str, other: &str| {
            let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
            let there = overlap(parse(one), parse(other));
            assert_eq!(there, overlap(parse(other), parse(one)), "{one} {other}");
            there
        };
        assert!(overlaps("127.0.0.1:1", "127.0.0.1:1"));
        assert!(overlaps("127.0.0.1:1", "0.0.0.0:1"));
        assert!(overlaps("[::1]:1", "[::]:1"));
        assert!(!overlaps("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!overlaps("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!overlaps("0.0.0.0:1", "0.0.0.0:2"));
        assert!(!overlaps("0.0.0.0:1", "[::]:1"));
        assert!(!overlaps("[::]:1", "127.0.0.1:1"));
    }
}
