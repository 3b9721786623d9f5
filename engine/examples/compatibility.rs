//! Prints `docs/compatibility.md`: what is there of the commands of Redis 7.2.

fn main() {
    print!("{}", engine::compatibility::document());
}
