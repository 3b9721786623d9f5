//! What a replica said of itself with REPLCONF.
//!
//! # Source
//! - REPLCONF of Redis 7.2 and Valkey 9

use journal::Offset;

/// Facts that a primary keeps of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can find the end of a transfer by a mark.
    pub eof: bool,
    /// It understands `+CONTINUE` with a new history name.
    pub psync2: bool,
    /// The port it listens on.
    pub listening_port: u16,
    /// The address it wants to be shown with; empty means the socket's.
    pub address: String,
    /// It wants the snapshot and no stream.
    pub snapshot_only: bool,
    /// What it does not want to have in the snapshot.
    pub left_out: LeftOut,
}

/// Parts of a snapshot that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// All keys.
    pub data: bool,
    /// All functions.
    pub functions: bool,
}

impl LeftOut {
    /// All but the parts that are named, separated by blanks: `rdb-filter-only`.
    fn all_but(parts: &[u8]) -> Result<LeftOut, Refused> {
        let mut left_out = LeftOut { data: true, functions: true };
        for part in parts.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()) {
            if !part.eq_ignore_ascii_case(b"functions") {
                let part = String::from_utf8_lossy(part);
                return Err(format!("ERR Unsupported rdb-filter-only option: {part}"));
            }
            left_out.functions = false;
        }
        Ok(left_out)
    }
}

/// What a REPLCONF asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Facts were stored: answer +OK.
    Stored,
    /// An acknowledgement: no answer.
    Ack {
        /// Applied up to here.
        applied: Offset,
        /// Durable up to here, if the replica says so.
        durable: Option<Offset>,
    },
    /// The primary asks for an acknowledgement: no answer but that.
    GetAck,
}

/// Why a REPLCONF cannot be understood: the error's text.
pub type Refused = String;

impl Capabilities {
    /// Takes the arguments of a REPLCONF, without its name, pair by pair.
    pub fn take(&mut self, args: &[&[u8]]) -> Result<Request, Refused> {
        if !args.len().is_multiple_of(2) {
            return Err("ERR syntax error".into());
        }
        let number = |text: &[u8]| {
            protocol::number::parse_i64(text)
                .ok_or_else(|| "ERR value is not an integer or out of range".to_string())
        };
        let mut answer = Request::Stored;
        for pair in args.chunks_exact(2) {
            let (option, value) = (pair[0], pair[1]);
            match option.to_ascii_lowercase().as_slice() {
                b"listening-port" => {
                    self.listening_port = u16::try_from(number(value)?)
                        .map_err(|_| "ERR value is not an integer or out of range".to_string())?;
                }
                b"ip-address" if value.len() <= 255 => {
                    self.address = String::from_utf8_lossy(value).into_owned();
                }
                b"ip-address" => {
                    return Err(format!(
                        "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                        value.len()
                    ));
                }
                b"capa" => match value.to_ascii_lowercase().as_slice() {
                    b"eof" => self.eof = true,
                    b"psync2" => self.psync2 = true,
                    _ => {}
                },
                // Newer replicas tell their version; nothing depends on it, since we write what 7.0 reads.
                b"version" => {}
                b"ack" => {
                    let applied = acknowledged(number(value)?);
                    answer = Request::Ack { applied, durable: None };
                }
                b"fack" => {
                    let fsynced = acknowledged(number(value)?);
                    if let Request::Ack { durable, .. } = &mut answer {
                        *durable = Some(fsynced);
                    }
                }
                b"getack" => answer = Request::GetAck,
                b"rdb-filter-only" => self.left_out = LeftOut::all_but(value)?,
                b"rdb-only" => self.snapshot_only = number(value)? != 0,
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Err(format!("ERR Unrecognized REPLCONF option: {option}"));
                }
            }
        }
        Ok(answer)
    }
}

/// What a replica says that it has. That it has more than there can be is our primary's to doubt: it goes by its own end.
fn acknowledged(number: i64) -> Offset {
    Offset::from_wire(number.max(0) as u64).unwrap_or(Offset::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Offset {
        Offset::from_wire(number).unwrap()
    }

    #[test]
    fn facts_are_kept_and_unknown_capabilities_ignored() {
        let mut known = Capabilities::default();
        let args: [&[u8]; 10] = [
            b"listening-port",
            b"6380",
            b"CAPA",
            b"eof",
            b"capa",
            b"psync2",
            b"capa",
            b"dual-channel",
            b"ip-address",
            b"::1",
        ];
        assert_eq!(known.take(&args), Ok(Request::Stored));
        assert!(known.eof && known.psync2);
        assert_eq!((known.listening_port, known.address.as_str()), (6380, "::1"));
    }

    #[test]
    fn acknowledgements_and_mistakes() {
        let mut known = Capabilities::default();
        let ack = known.take(&[b"ACK", b"17", b"FACK", b"12"]);
        assert_eq!(ack, Ok(Request::Ack { applied: at(17), durable: Some(at(12)) }));
        assert_eq!(known.take(&[b"GETACK", b"*"]), Ok(Request::GetAck));
        assert_eq!(known.take(&[b"capa"]), Err("ERR syntax error".into()));
        assert_eq!(known.take(&[b"rdb-filter-only", b"Functions"]), Ok(Request::Stored));
        assert_eq!(known.left_out, LeftOut { data: true, functions: false });
        let unknown = known.take(&[b"rdb-filter-only", b"functions keys"]).unwrap_err();
        assert_eq!(unknown, "ERR Unsupported rdb-filter-only option: keys");
        assert_eq!(known.take(&[b"rdb-filter-only", b""]), Ok(Request::Stored));
        assert_eq!(known.left_out, LeftOut { data: true, functions: true });
        let unknown = known.take(&[b"flavour", b"1"]).unwrap_err();
        assert_eq!(unknown, "ERR Unrecognized REPLCONF option: flavour");
    }
}
