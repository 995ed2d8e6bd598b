//! No branch depends on a weight, or on a number of the client's: the instructions that run are the same
//! whatever they are. Each instruction is a trap, so layers are small. Addresses are not looked at.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../../crypto/src/block/steps.rs"]
mod single;

use std::cell::RefCell;

use rand::Rng;
use single::assert_same_steps;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Linear, Pad, Planes, Window2d};
use xonn_protocols::value::{ClientValue, ServerValue};

use crate::common::{Case, Hosts, rng};
use crate::layers;

fn cases() -> Vec<Case> {
    let window = Window2d { input: [3, 3, 2], output: [3, 3], ..layers::SAME };
    vec![
        Case::new(Linear::dense(9, 2, Planes::Sign), 1, 255),
        Case::new(Linear::dense(5, 2, Planes::Odd { bits: 3 }), 1, 255),
        Case::new(Linear::dense(6, 2, Planes::Ternary), 1, 255),
        Case::new(layers::conv(window, 2, 1, Planes::Sign, Pad::Drop), 1, 255),
    ]
}

/// While it lives all work is done on this thread, which is the one that is watched.
fn alone() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap()
}

/// Hosts of all the least weights, all the largest ones, and random ones.
fn hosts(case: &Case) -> Vec<RefCell<Hosts>> {
    let most = case.linear.weights.largest() as i32;
    let count = case.linear.weight_count();
    [vec![-most; count], vec![most; count], case.weights(&mut rng(4))]
        .map(|weights| RefCell::new(case.connect(weights, 1)))
        .into()
}

#[test]
fn the_server_takes_the_same_steps_for_all_weights() {
    let _alone = alone();
    for case in cases() {
        let hosts = hosts(&case);
        let mask = RingTensor::new(case.reads.bits, vec![5; case.inputs()]).unwrap();
        let (_, messages) = hosts[0].borrow_mut().client(ClientValue::Shares(mask)).unwrap();
        let parts = &messages[..messages.len() - 1];
        let read = ServerValue::Shares {
            share: RingTensor::new(case.reads.bits, vec![77; case.inputs()]).unwrap(),
            offsets: vec![-3; case.inputs()].into(),
        };
        assert_same_steps("sums", &hosts, |hosts| {
            let mut hosts = hosts.borrow_mut();
            hosts.predictions += 1;
            let messages = [parts, &[hosts.digest(parts)]].concat();
            hosts.server(messages, &read).unwrap()
        });
    }
}

#[test]
fn the_client_takes_the_same_steps_for_all_numbers() {
    let _alone = alone();
    for case in cases() {
        let hosts = RefCell::new(case.connect(case.weights(&mut rng(4)), 1));
        let random = (0..case.inputs()).map(|_| rng(5).next_u64()).collect();
        let masks: Vec<ClientValue> = [vec![0; case.inputs()], vec![u64::MAX; case.inputs()], random]
            .map(|mask| ClientValue::Shares(RingTensor::new(case.reads.bits, mask).unwrap()))
            .into();
        assert_same_steps("corrections", &masks, |mask| hosts.borrow_mut().client(mask.clone()).unwrap());
    }
}
