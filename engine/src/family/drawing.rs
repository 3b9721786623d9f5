//! LOLWUT: the tide, drawn anew each time.
//!
//! `VERSION n` is understood and ignored: every version draws the same here. What programs look for is the last line, which has
//! the version of Redis whose behaviour is promised.

use crate::REDIS_VERSION;
use crate::arguments::{int, is};
use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name      arity        flags        keys     handler
    cmd("lolwut", at_least(1), READ | FAST, NO_KEYS, lolwut),
];

/// Columns and rows: what they are if nothing is said, and the most that they can be.
const COLUMNS: (usize, i64) = (66, 500);
const ROWS: (usize, i64) = (12, 100);

/// Parts of a turn that a wave is made of.
const TURN: usize = 64;

/// `LOLWUT [VERSION version] [columns] [rows]`.
fn lolwut(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mut at = 1;
    if args.len() >= 3 && is(args.at(1), "VERSION") {
        int(args.at(2))?;
        at = 3;
    }
    let size = |position: usize, (usual, most): (usize, i64)| match args.get(position) {
        None => Ok(usual),
        Some(text) => Ok::<usize, Refusal>(int(text)?.clamp(1, most) as usize),
    };
    let (columns, rows) = (size(at, COLUMNS)?, size(at + 1, ROWS)?);
    let mut text = draw(columns, rows, ctx.engine.draws());
    text += &format!("\nThe tide of this moment. Redis ver. {REDIS_VERSION}\n");
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(Done::NOTHING)
}

/// A sine without floating point: −100 to 100 over [`TURN`] steps, by the parabola of each half.
fn wave(step: usize) -> i64 {
    let half = TURN as i64 / 2;
    let x = (step % TURN) as i64;
    let (x, sign) = if x < half { (x, 1) } else { (x - half, -1) };
    sign * 400 * x * (half - x) / (half * half)
}

/// Two waves over each other, the water below them, and a moon above.
fn draw(columns: usize, rows: usize, mut random: impl FnMut() -> u64) -> String {
    let mut below = |most: usize| (random() % most as u64) as usize;
    let (first, second) = ((1 + below(3), below(TURN)), (2 + below(4), below(TURN)));
    let moon = (below(columns), below(rows.div_ceil(3)));
    let level = |column: usize| {
        let height = 2 * wave(column * first.0 + first.1) + wave(column * second.0 + second.1);
        // −300 to 300 become the middle half of the rows.
        let middle = rows as i64 * 6 / 10;
        (middle - height * rows as i64 / 1200).clamp(0, rows as i64) as usize
    };
    let levels: Vec<usize> = (0..columns).map(level).collect();
    let mut text = String::with_capacity(rows * (columns + 1));
    for row in 0..rows {
        let cell = |(column, level): (usize, &usize)| match row.checked_sub(*level) {
            None if (column, row) == moon => 'o',
            None => ' ',
            Some(0) => '~',
            Some(depth) if (column + depth * 7).is_multiple_of(5 + depth) => '-',
            Some(_) => '.',
        };
        let line: String = levels.iter().enumerate().map(cell).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect, with};

    #[test]
    fn the_last_line_has_the_version_whatever_is_asked_for() {
        let mut server = with(&[]);
        let last = format!("Redis ver. {REDIS_VERSION}\n");
        for line in ["LOLWUT", "LOLWUT VERSION 5", "lolwut version 6 10 3", "LOLWUT 1 1"] {
            let reply = server.run(line);
            assert!(reply.ends_with(&last), "{line}: {reply}");
            assert!(reply.contains('~') || line.ends_with("1 1"), "{line}: {reply}");
        }
        expect(
            &mut server,
            &[
                ("LOLWUT VERSION", "-ERR value is not an integer or out of range"),
                ("LOLWUT VERSION x", "-ERR value is not an integer or out of range"),
            ],
        );
    }

    #[test]
    fn a_drawing_has_the_size_asked_for_and_no_more_than_the_bound() {
        let mut server = with(&[]);
        for (line, columns, rows) in
            [("LOLWUT 20 7", 20, 7), ("LOLWUT 99999999 99999999", 500, 100), ("LOLWUT 0 -1", 1, 1)]
        {
            let reply = server.run(line);
            let lines: Vec<&str> = reply.lines().collect();
            assert_eq!(lines.len(), rows + 2, "{line}");
            assert!(lines[..rows].iter().all(|line| line.len() <= columns), "{line}");
        }
    }

    #[test]
    fn a_wave_goes_up_and_down() {
        assert_eq!([0, TURN / 4, TURN / 2, 3 * TURN / 4].map(wave), [0, 100, 0, -100]);
    }
}
