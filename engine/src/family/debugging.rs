//! DEBUG, the part that experiments and tests of clients need of the data and the protocol.
//!
//! # Not here
//! - POPULATE, DIGEST, PROTOCOL and the like: `server`; what concerns the process: the host

use crate::arguments::{int, is};
use crate::context::{Context, Key};
use crate::family::keys::encoding;
use crate::refusal::Refusal;
use keyspace::entry::ValueRef;
use protocol::resp::Args;

/// Subcommands about insides that are made otherwise here, and why there is nothing to show.
const MEANINGLESS: &[(&str, &str)] = &[
    ("CLUSTERLINK", "cluster mode is not supported"),
    ("DROP-CLUSTER-PACKET-FILTER", "cluster mode is not supported"),
    ("HTSTATS-KEY", "values are not kept in chained hash tables here"),
    ("LISTPACK", "the inside of a value is not shown"),
    ("QUICKLIST", "the inside of a value is not shown"),
    ("STRINGMATCH-TEST", "the matcher is fuzzed outside of the server"),
    ("STRUCTSIZE", "there are no C structures here"),
    ("ZIPLIST", "the inside of a value is not shown"),
];

/// Answers a subcommand. False if it is none of these.
pub(super) fn answer(ctx: &mut Context<'_>, args: Args<'_>) -> Result<bool, Refusal> {
    let (word, len) = (args.at(1), args.len());
    if is(word, "SET-SKIP-CHECKSUM-VALIDATION") && len == 3 {
        ctx.engine.skips_checksums = int(args.at(2))? != 0;
        ctx.reply.ok();
    } else if is(word, "SET-DISABLE-DENY-SCRIPTS") && len == 3 {
        ctx.engine.scripts.all_commands = int(args.at(2))? != 0;
        ctx.reply.ok();
    } else if is(word, "ERROR") && len == 3 {
        // The text is the whole error, its first word included, in one line.
        let line = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        return Err(Refusal::from(args.at(2).iter().map(line).collect::<Vec<u8>>()));
    } else if is(word, "LEAK") && len == 3 {
        // That it is lost is what was asked for.
        std::mem::forget(args.at(2).to_vec());
        ctx.reply.ok();
    } else if is(word, "SDSLEN") && len == 3 {
        lengths(ctx, args.at(2))?;
    } else if is(word, "HTSTATS") && (3..=4).contains(&len) {
        tables(ctx, args.at(2))?;
    } else if let Some((name, why)) = MEANINGLESS.iter().find(|(name, _)| is(word, name)) {
        return Err(Refusal::new(format!("ERR DEBUG {name} means nothing here: {why}")));
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// `DEBUG SDSLEN key` → how long key and value are, and what they take.
fn lengths(ctx: &mut Context<'_>, name: &[u8]) -> Result<(), Refusal> {
    let key = Key::new(name);
    let Some(entry) = ctx.engine.dbs[ctx.scope.db].get(key.hash, key.bytes) else {
        return Err(Refusal::NO_SUCH_KEY);
    };
    let ValueRef::Str(value) = entry.value() else {
        return Err(Refusal::fixed("ERR Not an sds encoded string.").of_state());
    };
    let value_len = value.len();
    let block = entry.block_bytes();
    let text = format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {block}, val_sds_len:{value_len}, val_sds_avail:0, val_zmalloc: {} ({})",
        name.len(),
        entry.value_bytes(),
        encoding(entry),
    );
    ctx.reply.simple(&text);
    Ok(())
}

/// `DEBUG HTSTATS db` → how many keys a database has, and what its table takes.
fn tables(ctx: &mut Context<'_>, index: &[u8]) -> Result<(), Refusal> {
    let db = usize::try_from(int(index)?).ok().and_then(|index| ctx.engine.dbs.get(index));
    let db = db.ok_or(Refusal::fixed("ERR Out of range database"))?;
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n bytes of the table: {}\n\
         [Expires HT]\n number of elements: {}\n",
        db.len(),
        db.table_bytes(),
        db.expiring_len()
    );
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect, with};

    #[test]
    fn subcommands_answer_or_say_why_they_cannot() {
        let mut server = with(&["SET k value", "SET n 5", "RPUSH l a", "EXPIRE k 100"]);
        server.session().may_debug = true;
        expect(
            &mut server,
            &[
                ("DEBUG ERROR \"LOADING not\\r\\nyet\"", "-LOADING not  yet"),
                ("DEBUG LEAK text", "+OK"),
                ("DEBUG SDSLEN l", "-ERR Not an sds encoded string."),
                ("DEBUG SDSLEN none", "-ERR no such key"),
                ("DEBUG HTSTATS 16", "-ERR Out of range database"),
                ("DEBUG HTSTATS -1", "-ERR Out of range database"),
            ],
        );
        for (line, part) in [
            ("DEBUG SDSLEN k", "key_sds_len:1, key_sds_avail:0,"),
            ("DEBUG SDSLEN k", "val_sds_len:5,"),
            ("DEBUG HTSTATS 0 full", "number of elements: 3\n"),
            ("DEBUG HTSTATS 0", "[Expires HT]\n number of elements: 1\n"),
        ] {
            let reply = server.run(line);
            assert!(reply.contains(part), "{line}: {reply}");
        }
        for (name, why) in MEANINGLESS {
            assert_eq!(
                server.run(&format!("DEBUG {} k", name.to_lowercase())),
                format!("-ERR DEBUG {name} means nothing here: {why}")
            );
        }
    }

    #[test]
    fn a_payload_with_a_wrong_checksum_is_restored_if_that_is_wanted() {
        let mut server = with(&["SET k value"]);
        server.session().may_debug = true;
        let key = crate::context::Key::new(b"k");
        let entry = server.engine.dbs[0].get(key.hash, key.bytes).expect("it is there");
        let mut payload = super::super::transfer::payload_of(entry.value());
        *payload.last_mut().expect("a checksum") ^= 1;
        let words = [&b"RESTORE"[..], b"other", b"0", &payload];
        let request = protocol::resp::request::OwnedArgs::of(words.into_iter());
        let refused = "-ERR DUMP payload version or checksum are wrong";
        assert_eq!(server.execute(request.args()), refused);
        server.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
        assert_eq!(server.execute(request.args()), "+OK");
        assert_eq!(server.run("GET other"), "value");
        server.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 0");
        server.ok("DEL other");
        assert_eq!(server.execute(request.args()), refused);
    }

    #[test]
    fn the_log_says_what_was_wrong_with_a_payload() {
        let mut server = with(&[]);
        // A hash as a ziplist that says that it is longer than it is.
        let payload = b"\x0D\x1B\x25\x00\x00\x00\x16\x00\x00\x00\x04\x00\x00\x02\x61\x00\x04\x02\x62\x00\x04\x02\x63\x00\x04\
                        \x02\x64\x00\xFF\x09\x00\xB7\xF7\x6E\x9F\x43\x43\x14\xC6";
        let words = [&b"RESTORE"[..], b"k", b"0", &payload[..]];
        let request = protocol::resp::request::OwnedArgs::of(words.into_iter());
        assert_eq!(server.execute(request.args()), "-ERR Bad data format");
        let logged = server.logged().concat();
        assert!(logged.contains("Hash ziplist integrity check failed."), "{logged}");
    }
}
