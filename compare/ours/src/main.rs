//! This project's OT extension, as `compare/run.sh` measures it.

#[path = "../../meter.rs"]
mod meter;
mod roles;

fn main() {
    meter::run(&mut [
        ("ours, SoftSpoken k = 4, random", &mut |count| roles::random(count, 4)),
        ("ours, SoftSpoken k = 8, random", &mut |count| roles::random(count, 8)),
        ("ours, SoftSpoken k = 4, correlated", &mut |count| roles::correlated(count, 4)),
    ]);
}
