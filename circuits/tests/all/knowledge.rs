//! Knowledge classes on a public circuit: AES whose key the evaluator brings.
//!
//! The file is looked for in `../shared/circuits` beside the workspace, or where `XONN_CIRCUITS` says.

use xonn_circuits::bristol;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::knowledge::Class;
use xonn_circuits::knowledge::analysis::{Owner, analyse, usual_classes};
use xonn_circuits::knowledge::split::split_evaluator_local;

#[test]
fn the_key_schedule_is_the_key_owners_own_business() {
    let folder = std::env::var_os("XONN_CIRCUITS").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/circuits"),
        std::path::PathBuf::from,
    );
    let path = folder.join("fashion/aes_128.txt");
    if !path.is_file() {
        println!("skipped: no file {}, set XONN_CIRCUITS", path.display());
        return;
    }
    let aes = bristol::read_path(&path).expect("a public circuit").netlist;
    // The key is the first group. As the garbler's it makes 40 of the 200 S-boxes free.
    let garblers = analyse(&aes, &usual_classes(&aes));
    assert_eq!(
        garblers.groups.iter().map(|g| g.owner).collect::<Vec<_>>(),
        [Owner::Garbler, Owner::Evaluator]
    );
    assert_eq!((garblers.and.free, garblers.and.total()), (1280, 6400));

    // As the evaluator's likewise, if 8 bits of each of these S-boxes and the key enter the circuit.
    let mut classes = vec![Class::Evaluator; 128];
    classes.resize(256, Class::Garbler);
    let found = analyse(&aes, &classes);
    assert_eq!((found.evaluator_local, found.and.full), (1280, garblers.and.full));
    let split = split_evaluator_local(&aes, &classes, 20);
    assert_eq!(split.bytes_before, 128 * 20 + 1280 * 16);
    assert!(split.bytes_after <= (128 + 40 * 8) * 20, "{} bytes", split.bytes_after);
    assert_eq!(split.main.stats().and, 5120);

    let bits: Vec<bool> = (0..256u32).map(|i| i.wrapping_mul(0x9e37_79b9) >> 31 == 1).collect();
    let mut input = bits[128..].to_vec();
    input.extend(evaluate_bits(&split.local, &bits[..128]));
    assert_eq!(evaluate_bits(&split.main, &input), evaluate_bits(&aes, &bits));
}
