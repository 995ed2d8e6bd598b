//! The four messages of oblivious transfer, for every parameter: what is read is written again as it was.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xonn_crypto::ot::msgs::{BaseReply, BaseRequest, Correlate, Extend};
use xonn_crypto::ot::{Params, ReceiverSetup, SenderSetup};
use xonn_fuzz::cases::rng;
use xonn_fuzz::overlay::pick;

/// Honest base messages for k = 1, 2, 4, 8.
fn honest() -> &'static [[Vec<u8>; 2]] {
    static HONEST: OnceLock<Vec<[Vec<u8>; 2]>> = OnceLock::new();
    HONEST.get_or_init(|| {
        let both = |log: usize| {
            let (params, rng) = (Params::new(1 << log).expect("a divisor of 128"), &mut rng(7));
            let (_, request) = SenderSetup::start(params, [7; 32], rng);
            let (_, reply) = ReceiverSetup::reply(params, [7; 32], rng, &request).expect("honest");
            [request.encode(), reply.encode()]
        };
        (0..4).map(both).collect()
    })
}

fuzz_target!(init: { honest(); }, |data: &[u8]| {
    let (which, data) = pick(data);
    let (at, data) = pick(data);
    let params = Params::new(1 << (which & 3)).expect("a divisor of 128");
    let [request, reply] = &honest()[which & 3];
    // One of the first points is the fuzzer's: of 256 good ones each run would read all.
    let with = |honest: &[u8]| {
        let mut bytes = honest.to_vec();
        bytes[32 * (at % 8)..].iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        bytes
    };
    match which >> 2 & 7 {
        0 => {
            let bytes = with(request);
            let read = BaseRequest::decode(params, &bytes);
            assert!(read.is_err() || read.is_ok_and(|message| message.encode() == bytes));
        }
        1 => {
            let bytes = with(reply);
            let read = BaseReply::decode(params, &bytes);
            assert!(read.is_err() || read.is_ok_and(|message| message.encode() == bytes));
        }
        2 => assert!(BaseRequest::decode(params, data).is_err(), "a fuzzer's input is shorter"),
        3 => assert!(BaseReply::decode(params, data).is_err(), "a fuzzer's input is shorter"),
        4 | 5 => {
            // Numbers of OTs around what the bytes are long enough for, and others.
            let count = at * 128 * usize::from(which & 4 != 0) + at;
            let fits = data.len() == Extend::byte_len(params, count);
            let read = Extend::decode(params, count, data);
            assert_eq!(read.is_ok(), fits);
            assert!(read.is_err() || read.is_ok_and(|message| message.encode() == data));
        }
        _ => {
            let read = Correlate::decode(at, data);
            assert_eq!(read.is_ok(), data.len() == Correlate::byte_len(at));
            assert!(read.is_err() || read.is_ok_and(|message| message.encode() == data));
        }
    }
});
