//! The OT extensions of cryprot-ot, as `compare/run.sh` measures them.

#[path = "../../meter.rs"]
mod meter;
mod roles;

use std::cell::RefCell;

fn main() {
    let peers = RefCell::new(roles::Peers::connect());
    meter::run(&mut [
        ("cryprot, KOS, random", &mut |count| peers.borrow_mut().random(count)),
        ("cryprot, KOS, correlated", &mut |count| peers.borrow_mut().correlated(count)),
        ("cryprot, silent, random", &mut |count| peers.borrow_mut().silent(count)),
    ]);
}
