use xonn_crypto::garble::Scheme;
use xonn_program::Package;
use xonn_protocols::planner::Way;
fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let package = Package::from_bytes(bytes, "p").unwrap();
        let program = package.program();
        for way in Way::ALL {
            let Ok(found) = way.plan(program, Scheme::ALL[0]) else { continue };
            let mut groups: std::collections::BTreeMap<&str, [f64; 6]> = Default::default();
            for (stage, cost) in found.plan.stages.iter().zip(&found.cost.stages) {
                let g = groups.entry(stage.how.protocol().name()).or_default();
                g[0] += (cost.rows.leaves + cost.rows.masks) as f64;
                g[1] += (cost.offline.bytes() + cost.online.bytes()) as f64;
                g[2] += cost.offline.work + cost.online.work;
                g[3] += cost.offline.streamed;
                g[4] += 1.0;
                g[5] += cost.set_up.work;
            }
            println!("{path} {way:?} {groups:?}");
        }
    }
}
