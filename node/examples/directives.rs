//! Prints `docs/directives.md`: every directive, its effect, or why it has none.

fn main() {
    print!("{}", node::config::document());
}
