//! The library's public face: a service that starts and stops, and a client that tells the server nothing.

use std::sync::{Arc, Mutex};

use xonn_program::{Package, Prediction};
use xonn_run::net::{Event, ServerOptions, listen};
use xonn_run::service::ServiceError;
use xonn_run::session::client::run::Unanswered;
use xonn_run::session::{Clients, Limits, Offer};
use xonn_run::{Client, ClientOptions, Service};

use crate::programs::{Numbers, random_secret};

#[test]
fn a_service_answers_a_client_until_it_is_stopped() {
    let program = Numbers::dense(20, 6, 9).program();
    let (package, secret) = random_secret(&program, 3);
    let samples: Vec<Vec<f64>> =
        (0..4).map(|s| (0..20).map(|i| f64::from((i * 7 + s * 31 + i * i * s) % 64)).collect()).collect();
    let codes: Vec<Vec<i64>> = samples.iter().map(|s| s.iter().map(|&x| x as i64).collect()).collect();
    let wants: Vec<Prediction> = program
        .evaluate(secret.tensors(), &codes)
        .expect("in range")
        .iter()
        .map(|evaluated| evaluated.prediction(program.output()))
        .collect();

    let inferences = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&inferences);
    let service = Service::new(&package, &secret, Offer { ahead: 2, ..Offer::default() }).expect("they fit");
    let mut options = ServerOptions::new(2, 2);
    options.limits = Limits { clients: Clients::SemiHonest, ..Limits::default() };
    let running = service.start(listen("127.0.0.1:0").expect("a free port"), options, move |event| {
        if let Event::Ended { result: Ok(served), .. } = event {
            told.lock().expect("no holder panics").push(served.inferences);
        }
    });
    let running = running.expect("it starts");
    let address = running.address().to_string();

    // One by one, with the package at hand and circuits ahead.
    let offer = Offer { ahead: 2, ..Offer::default() };
    let options = ClientOptions { package: Some(package.clone()), offer, ..ClientOptions::default() };
    let mut client = Client::connect(&address, &options).expect("it is served");
    assert_eq!(client.prepare(5).expect("an honest server"), 2, "as many as both allow");
    for (sample, want) in samples.iter().zip(&wants) {
        assert_eq!(client.predict(sample).expect("an honest server").as_ref(), Ok(want));
    }
    assert!(client.predict(&samples[0][1..]).is_err(), "another shape, of which the server hears nothing");
    assert!(client.finish().expect("a goodbye").sent > 0);

    // All at once, the package fetched; a number without a code is asked about all the same.
    let options = ClientOptions { digest: Some(package.digest()), ..ClientOptions::default() };
    let client = Client::connect(&address, &options).expect("it is served");
    let mut unfit = samples.clone();
    unfit[1][7] = 64.0;
    let finished = client.predict_all(&unfit, 0).expect("shapes fit");
    finished.end.expect("a goodbye");
    let mut expected: Vec<_> = wants.into_iter().map(Ok).collect();
    expected[1] = Err(Unanswered::Unfit);
    assert_eq!(finished.predictions, expected);

    running.stop();
    assert_eq!(*inferences.lock().expect("no holder panics"), [4, 4], "the server cannot tell");
    assert!(Client::connect(&address, &options).is_err(), "nobody listens any more");
}

#[test]
fn a_secret_of_another_package_is_refused() {
    let (package, secret) = random_secret(&Numbers::dense(4, 2, 3).program(), 1);
    let other = Package::new(&Numbers::dense(4, 2, 5).program());
    assert!(Service::new(&package, &secret, Offer::default()).is_ok());
    let error = Service::new(&other, &secret, Offer::default()).err().expect("another package");
    assert!(matches!(error, ServiceError::OtherPackage { .. }), "{error}");
}
