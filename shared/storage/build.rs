//! Migrations are compiled in: a change in their folder must rebuild this crate.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
