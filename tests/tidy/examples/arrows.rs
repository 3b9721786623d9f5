//! Prints the arrows of a crate: `cargo run -p tidy --example arrows -- engine`.
fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = tidy::tree::Tree::read(&root);
    for folder in std::env::args().skip(1) {
        let graph = tidy::modules::graph(&tree, &folder);
        let knots = tidy::knots::knots(&graph);
        println!("{folder}: {} files, {} in a cycle", graph.len(), knots.iter().flatten().count());
        for knot in knots {
            println!("  knot of {}", knot.len());
            for file in &knot {
                println!("    {file}");
                for (to, paths) in graph[file].iter().filter(|(to, _)| knot.contains(to)) {
                    println!(
                        "      {to}: {}",
                        paths.iter().cloned().collect::<Vec<_>>().join(", ")
                    );
                }
            }
        }
    }
}
