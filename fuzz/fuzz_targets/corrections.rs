//! Corrections of first layers: the parts of an honest client but for some bytes, lengths and numbers of
//! parts. The server takes the honest ones and no others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::cases::{Case, cases};
use xonn_fuzz::overlay::{overlay, pick};

fuzz_target!(init: { cases(); }, |data: &[u8]| {
    let (number, data) = pick(data);
    let with = |case: &&Case| case.server.receiver().is_some();
    let cases: Vec<&Case> = cases().iter().filter(with).collect();
    let case = cases[(number >> 2) % cases.len()];
    let (oca, _) = case.shared().expect("both hosts have it");
    let payload = |kind: u8| {
        case.behind.to_server.iter().filter(move |frame| frame.kind == kind).map(|frame| &frame.payload[..])
    };
    let parts = oca.part_lengths().len();
    let honest: Vec<&[u8]> = payload(14).take(parts).collect();
    let digest = payload(15).next().expect("an honest client sends it");
    let mut receiver = case.server.receiver().expect("chosen above").clone();
    if number & 3 == 3 {
        // What comes when the input is there.
        let mut shares = vec![false; oca.share_bits()];
        let fits = data.len() == oca.difference_bytes();
        assert_eq!(receiver.add_differences(oca, data, &mut shares).is_ok(), fits);
        return;
    }
    let secret = vec![false; case.secret_bits()];
    let mut receiving = receiver.begin(oca, &secret);
    let mut same = true;
    for honest in &honest[..parts - usize::from(number & 3 == 1)] {
        let part = overlay(honest, data);
        same &= part == *honest;
        let taken = receiving.part(&part);
        assert_eq!(taken.is_ok(), part.len() == honest.len());
        if taken.is_err() {
            return; // and with it the session ends
        }
    }
    if number & 3 == 2 {
        assert!(receiving.part(data).is_err(), "one part more than there are");
        return;
    }
    let digest = if number & 0x80 == 0 { digest.to_vec() } else { overlay(digest, data) };
    let taken = receiving.finish(&digest);
    assert!(same || taken.is_err(), "the server takes what no honest client sent");
});
