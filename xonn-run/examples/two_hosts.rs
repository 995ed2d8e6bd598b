//! A hospital asks, a company answers: both hosts in one process, over loopback.
//!
//!     cargo run --release -p xonn-run --example two_hosts
//!
//! A model comes from `xonn-compile build` in practice; here it is a layer of four signs over six numbers,
//! written out.

use xonn_program::op::{Cut, Linear, Planes};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Package, Program, Range, Secret, Tensor};
use xonn_run::net::{ServerOptions, listen};
use xonn_run::session::Offer;
use xonn_run::{Client, ClientOptions, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What is public: shapes and ranges. What is secret: the weights and where each sum fires.
    let program = model()?;
    let tensors = vec![
        Tensor::signs(&std::array::from_fn::<bool, 24, _>(|i| (i * i + i / 5) % 3 > 0)),
        Tensor::Cuts((0..4).map(|unit| Cut { rising: unit % 2 == 0, at: 100 * unit - 150 }).collect()),
    ];
    let package = Package::new(&program);
    let secret = Secret::new(&package, tensors)?;

    // The company. Port 0: any that is free.
    let service = Service::new(&package, &secret, Offer::default())?;
    let running = service.start(listen("127.0.0.1:0")?, ServerOptions::new(4, 16), |_| ())?;

    // The hospital: it knows an address and a digest, and fetches the public package.
    let options = ClientOptions { digest: Some(package.digest()), ..ClientOptions::default() };
    let client = Client::connect(&running.address().to_string(), &options)?;
    let samples: Vec<Vec<f64>> = vec![vec![1.0, 250.0, 3.0, 40.0, 0.0, 99.0], vec![0.0; 6]];
    let finished = client.predict_all(&samples, 0)?;
    for (sample, prediction) in samples.iter().zip(&finished.predictions) {
        println!("{sample:?}: {}", prediction.clone()?);
    }
    let traffic = finished.end?;
    println!("{} bytes sent, {} received", traffic.sent, traffic.received);

    // The same in the clear, which neither of the two could do.
    let codes: Vec<Vec<i64>> = samples.iter().map(|s| s.iter().map(|&x| x as i64).collect()).collect();
    let clear = program.evaluate(secret.tensors(), &codes)?;
    for (clear, private) in clear.iter().zip(&finished.predictions) {
        assert_eq!(clear.prediction(program.output()), private.clone()?);
    }
    running.stop();
    Ok(())
}

fn model() -> Result<Program, Box<dyn std::error::Error>> {
    let input = InputEncoding {
        shape: vec![6],
        bits: 8,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: vec![],
        tokens: false,
    };
    let int = |lo, hi| Kind::Int(Range { lo, hi });
    let layer = |op, reads, n, kind, secret| Layer { op, reads, shape: vec![n], kind, secret };
    let sums = Op::Linear(Linear::dense(6, 4, Planes::Sign));
    let layers = vec![
        layer(Op::Input, vec![], 6, int(0, 255), None),
        layer(sums, vec![0], 4, int(-1530, 1530), Some(0)),
        layer(Op::Threshold { cuts: 4 }, vec![1], 4, Kind::Bit, Some(1)),
    ];
    Ok(Program::new(input, layers, OutputEncoding::Labels { units: 4 })?)
}
