//! The OT extensions of cryprot-ot, as `compare/run.sh` measures them.

#[path = "../../meter.rs"]
mod meter;
mod roles;

fn main() {
    let peers = roles::Peers::connect();
    meter::run(&mut [
        ("cryprot, KOS, random", &mut |count| peers.random(count)),
        ("cryprot, KOS, correlated", &mut |count| peers.correlated(count)),
        ("cryprot, silent, random", &mut |count| peers.silent(count)),
    ]);
}
