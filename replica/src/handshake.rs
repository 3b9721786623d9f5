//! A replica's side of the conversation, from the connection to the reply to PSYNC.
//!
//! ```text
//! Greeting ──PING/+PONG──► Introducing ──AUTH, REPLCONF …/one line each──► Asking ──PSYNC/reply──► Outcome
//! ```
//!
//! Lines come in, bytes to send go out. Empty lines are keepalives and mean nothing. Errors to REPLCONF are survivable: an old
//! primary may not know an option; errors to PING (but for those that mean "authenticate first") and to AUTH are not.

use journal::{Offset, ReplicationId};
use protocol::resp::encode;

/// The longest line that is taken, in bytes.
pub const LINE_MAX: usize = 4096;

/// What we tell of ourselves.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The port that clients reach us at.
    pub listening_port: u16,
    /// The address to be shown with, if configured.
    pub address: Option<String>,
    /// User and password; the user may be empty.
    pub credentials: Option<(String, String)>,
    /// The history and offset to go on from, if any.
    pub position: Option<(ReplicationId, Offset)>,
}

/// How a handshake ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stream goes on right behind the line, perhaps under a new name.
    Continue {
        /// The name, if the primary gave one.
        id: Option<ReplicationId>,
    },
    /// A snapshot follows.
    Full {
        /// The history of what follows.
        id: ReplicationId,
        /// The offset of the snapshot.
        offset: Offset,
    },
    /// The primary cannot now; try again later.
    Later(String),
}

/// Why a handshake cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// An error reply where none is survivable.
    #[error("Error reply to {to} from master: '{text}'")]
    Refused {
        /// What was asked.
        to: &'static str,
        /// The reply.
        text: String,
    },
    /// The primary does not take our password.
    #[error("Unable to AUTH to MASTER: {text}")]
    Unauthorized {
        /// The reply.
        text: String,
    },
    /// A line that is no reply.
    #[error("Unexpected reply to {to} from master: '{text}'")]
    Nonsense {
        /// What was asked.
        to: &'static str,
        /// The line.
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Introducing { expected: Vec<&'static str>, next: usize },
    Asking,
}

/// What to do after a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the next line.
    Wait,
    /// Send these bytes, then wait.
    Send(Vec<u8>),
    /// It is over.
    Done(Outcome),
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    introduction: Introduction,
    state: State,
}

impl Handshake {
    /// Begins; the bytes are to be sent first.
    pub fn begin(introduction: Introduction) -> (Handshake, Vec<u8>) {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, [&b"PING"[..]].into_iter());
        (Handshake { introduction, state: State::Greeting }, bytes)
    }

    /// Takes a line, without its end.
    pub fn line(&mut self, line: &[u8]) -> Result<Step, HandshakeError> {
        if line.is_empty() {
            return Ok(Step::Wait);
        }
        let text = String::from_utf8_lossy(&line[..line.len().min(LINE_MAX)]).into_owned();
        match &mut self.state {
            State::Greeting => {
                let alive = text.starts_with('+')
                    || text.starts_with("-NOAUTH")
                    || text.starts_with("-NOPERM")
                    || text.starts_with("-ERR operation not permitted");
                if !alive {
                    return Err(HandshakeError::Refused { to: "PING", text });
                }
                let (bytes, expected) = self.introduce();
                self.state = State::Introducing { expected, next: 0 };
                Ok(Step::Send(bytes))
            }
            State::Introducing { expected, next } => {
                let to = expected[*next];
                if text.starts_with('-') && to == "AUTH" {
                    return Err(HandshakeError::Unauthorized { text });
                }
                *next += 1;
                if *next < expected.len() {
                    return Ok(Step::Wait);
                }
                self.state = State::Asking;
                Ok(Step::Send(self.ask()))
            }
            State::Asking => match answer(&text)? {
                // Without a position there is nothing to go on from.
                Outcome::Continue { .. } if self.introduction.position.is_none() => {
                    Err(HandshakeError::Nonsense { to: "PSYNC", text })
                }
                outcome => Ok(Step::Done(outcome)),
            },
        }
    }

    fn introduce(&self) -> (Vec<u8>, Vec<&'static str>) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut send = |name: &'static str, args: &[&[u8]]| {
            encode::command(&mut bytes, args.iter().copied());
            expected.push(name);
        };
        if let Some((user, password)) = &self.introduction.credentials {
            match user.as_str() {
                "" => send("AUTH", &[b"AUTH", password.as_bytes()]),
                user => send("AUTH", &[b"AUTH", user.as_bytes(), password.as_bytes()]),
            }
        }
        let port = self.introduction.listening_port.to_string();
        send("REPLCONF", &[b"REPLCONF", b"listening-port", port.as_bytes()]);
        if let Some(address) = &self.introduction.address {
            send("REPLCONF", &[b"REPLCONF", b"ip-address", address.as_bytes()]);
        }
        send("REPLCONF", &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        (bytes, expected)
    }

    fn ask(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.introduction.position {
            Some((id, offset)) => {
                let next = offset.next_byte().to_string();
                let args = [&b"PSYNC"[..], id.as_bytes(), next.as_bytes()];
                encode::command(&mut bytes, args.into_iter());
            }
            None => encode::command(&mut bytes, [&b"PSYNC"[..], b"?", b"-1"].into_iter()),
        }
        bytes
    }
}

/// Reads the reply to PSYNC.
fn answer(text: &str) -> Result<Outcome, HandshakeError> {
    let nonsense = || HandshakeError::Nonsense { to: "PSYNC", text: text.to_string() };
    let mut words = text.split(' ');
    match words.next() {
        Some("+CONTINUE") => {
            let id =
                words.next().map(|id| ReplicationId::parse(id.as_bytes()).ok_or_else(nonsense));
            Ok(Outcome::Continue { id: id.transpose()? })
        }
        Some("+FULLRESYNC") => {
            let id = words.next().and_then(|id| ReplicationId::parse(id.as_bytes()));
            let offset = words.next().and_then(|offset| offset.parse().ok());
            let offset = offset.and_then(Offset::from_wire);
            let (Some(id), Some(offset)) = (id, offset) else { return Err(nonsense()) };
            Ok(Outcome::Full { id, offset })
        }
        Some("-NOMASTERLINK" | "-LOADING") => Ok(Outcome::Later(text[1..].to_string())),
        Some(word) if word.starts_with('-') => {
            Err(HandshakeError::Refused { to: "PSYNC", text: text.to_string() })
        }
        _ => Err(nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction() -> Introduction {
        Introduction {
            listening_port: 6380,
            address: None,
            credentials: Some((String::new(), "secret".into())),
            position: Some((ReplicationId::from_random([1; 20]), Offset::from_wire(41).unwrap())),
        }
    }

    fn sent(step: Step) -> String {
        match step {
            Step::Send(bytes) => String::from_utf8(bytes).unwrap().replace("\r\n", " "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_conversation() {
        let (mut handshake, first) = Handshake::begin(introduction());
        assert_eq!(first, b"*1\r\n$4\r\nPING\r\n");
        let text = sent(handshake.line(b"-NOAUTH Authentication required.").unwrap());
        assert!(
            text.starts_with("*2 $4 AUTH $6 secret *3 $8 REPLCONF $14 listening-port $4 6380 ")
        );
        assert!(text.ends_with("$4 capa $3 eof $4 capa $6 psync2 "));
        assert_eq!(handshake.line(b"+OK").unwrap(), Step::Wait);
        assert_eq!(handshake.line(b"").unwrap(), Step::Wait);
        assert_eq!(handshake.line(b"-ERR Unrecognized REPLCONF option").unwrap(), Step::Wait);
        let ask = sent(handshake.line(b"+OK").unwrap());
        assert!(ask.starts_with("*3 $5 PSYNC $40 0101") && ask.ends_with("$2 42 "), "{ask}");
        let id = ReplicationId::from_random([2; 20]);
        let reply = format!("+FULLRESYNC {id} 1234");
        let outcome = handshake.line(reply.as_bytes()).unwrap();
        assert_eq!(
            outcome,
            Step::Done(Outcome::Full { id, offset: Offset::from_wire(1234).unwrap() })
        );
    }

    #[test]
    fn replies_to_psync() {
        let id = ReplicationId::from_random([2; 20]);
        assert_eq!(answer("+CONTINUE"), Ok(Outcome::Continue { id: None }));
        assert_eq!(answer(&format!("+CONTINUE {id}")), Ok(Outcome::Continue { id: Some(id) }));
        assert!(matches!(answer("-LOADING Redis is loading"), Ok(Outcome::Later(_))));
        assert!(matches!(answer("-NOMASTERLINK x"), Ok(Outcome::Later(_))));
        for bad in [
            "+FULLRESYNC x 1",
            "+FULLRESYNC",
            "+FULLRESYNC 0123456789012345678901234567890123456789 -1",
            "+FULLRESYNC 0123456789012345678901234567890123456789 4611686018427387905",
            "$5",
            "-ERR no",
            "+CONTINUE nothing",
        ] {
            assert!(answer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_password_ends_it() {
        let (mut handshake, _) = Handshake::begin(introduction());
        assert!(matches!(handshake.line(b"+PONG"), Ok(Step::Send(_))));
        let error = handshake.line(b"-WRONGPASS invalid").unwrap_err();
        assert_eq!(error.to_string(), "Unable to AUTH to MASTER: -WRONGPASS invalid");
        let (mut handshake, _) = Handshake::begin(introduction());
        assert!(handshake.line(b"-MISCONF disk").is_err());
    }

    #[test]
    fn nobody_goes_on_who_asked_for_everything() {
        let nothing = Introduction { position: None, credentials: None, ..introduction() };
        let (mut handshake, _) = Handshake::begin(nothing);
        assert!(sent(handshake.line(b"+PONG").unwrap()).contains("REPLCONF"));
        handshake.line(b"+OK").unwrap();
        assert!(sent(handshake.line(b"+OK").unwrap()).ends_with("PSYNC $1 ? $2 -1 "));
        assert!(matches!(
            handshake.line(b"+CONTINUE"),
            Err(HandshakeError::Nonsense { to: "PSYNC", .. })
        ));
    }
}
