//! Hosts that do not fit together: both end with one sentence that names what each of them has.

use std::time::Duration;
use xonn_run::session::msgs::Kind;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::garble::Scheme;
use xonn_program::package::Digest;
use xonn_run::session::{Circuit, Limits, Offer, SessionError, client};

use crate::fixture::{Fixture, adder, addition, neurons};
use crate::hostile::{client_hello, frame, scripted_client, scripted_server, server_hello};
use crate::wire::{self, End};

/// Serves `fixture` to `client` and gives both errors.
fn both<R>(
    fixture: &Fixture,
    client: impl FnOnce(End) -> Result<R, SessionError> + Send,
) -> (SessionError, SessionError) {
    let (server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
        let client = client(client_end).err().expect("the hosts do not fit");
        (server.join().expect("no panic").expect_err("the hosts do not fit"), client)
    })
}

fn assert_sentence(error: &SessionError, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} does not say {parts:?}");
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text:?} is not one sentence of the house");
}

#[test]
fn another_circuit() {
    let (fixture, other) = (addition(), neurons(2));
    let rng = &mut ChaCha20Rng::seed_from_u64(4);
    let ask = |end| client::greet(end, other.circuit.digest, 2, &Offer::default(), &Limits::default(), rng);
    let (server, client) = both(&fixture, ask);
    let digests = [fixture.circuit.digest.to_string(), other.circuit.digest.to_string()];
    assert!(matches!(server, SessionError::Mismatch(_)) && matches!(client, SessionError::Refused(_)));
    for error in [server, client] {
        assert_sentence(&error, &[&digests[0], &digests[1], "same file"]);
    }
}

#[test]
fn another_number_of_input_bits() {
    let fixture = addition();
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    let ask =
        |end| client::greet(end, fixture.circuit.digest, 17, &Offer::default(), &Limits::default(), rng);
    let (server, client) = both(&fixture, ask);
    for error in [server, client] {
        assert_sentence(&error, &["has 17 bits", "takes 16"]);
    }
}

#[test]
fn a_package_that_the_server_does_not_have() {
    let rng = &mut ChaCha20Rng::seed_from_u64(6);
    let ask = |end| client::greet_and_fetch(end, None, &Offer::default(), &Limits::default(), rng);
    let (server, client) = both(&addition(), ask);
    for error in [server, client] {
        assert_sentence(&error, &["asks for a package", "plain netlist"]);
    }
}

#[test]
fn no_garbling_scheme_in_common() {
    for (offered, accepted) in
        [(Scheme::HalfGates, Scheme::ThreeHalves), (Scheme::ThreeHalves, Scheme::HalfGates)]
    {
        let fixture = Fixture { schemes: vec![offered], ..addition() };
        let rng = &mut ChaCha20Rng::seed_from_u64(7);
        let ask = |end| {
            client::greet(
                end,
                fixture.circuit.digest,
                16,
                &Offer { schemes: vec![accepted], ..Offer::default() },
                &Limits::default(),
                rng,
            )
        };
        let (server, client) = both(&fixture, ask);
        assert!(matches!(server, SessionError::Mismatch(_)) && matches!(client, SessionError::Refused(_)));
        for error in [server, client] {
            let (accepts, offers) =
                (format!("accepts the garbling schemes {accepted}"), format!("offers {offered}"));
            assert_sentence(&error, &[&accepts, &offers, "--scheme"]);
        }
    }
}

#[test]
fn a_server_that_takes_a_scheme_which_the_client_did_not_name() {
    let fixture = Fixture { schemes: vec![Scheme::HalfGates], ..addition() };
    let mut hello = server_hello(fixture.circuit.digest, 0);
    hello[46] = Scheme::ThreeHalves.bit();
    let (error, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
        end.take_frame();
        end.put(&frame(Kind::ServerHello, &hello));
        end.take_refusal()
    });
    let error = error.expect_err("it is not the client's scheme");
    assert_sentence(&error, &["the server garbles with three-halves", "this client accepts half-gates"]);
    assert!(refusal.is_some_and(|text| text.contains("three-halves")));
}

#[test]
fn another_version_at_the_client() {
    // Version 4's hello was two bytes shorter; a later one may be longer.
    for (version, length) in [(9, 79), (4, 77), (7, 200)] {
        let mut hello = client_hello(None, 0);
        hello[4] = version;
        hello.resize(length, 0);
        let (server, refusal) = scripted_client(&addition(), &Limits::default(), |end| {
            end.put(&frame(Kind::ClientHello, &hello));
            end.take_refusal()
        });
        let spoken = format!("client speaks version {version}");
        assert_sentence(&server.expect_err("another version"), &[&spoken, "this side version 8"]);
        assert!(refusal.expect("the client is told").contains(&spoken));
    }
}

#[test]
fn another_version_at_the_server() {
    let mut hello = server_hello(Digest([0; 32]), 0);
    hello[4..6].copy_from_slice(&[2, 1]);
    let (client, refusal) = scripted_server(&addition(), &Limits::default(), false, |end| {
        end.take_frame();
        end.put(&frame(Kind::ServerHello, &hello));
        end.take_refusal()
    });
    assert_sentence(
        &client.expect_err("another version"),
        &["server speaks version 258", "this side version 8"],
    );
    assert!(refusal.expect("the server is told").contains("version 258"));
}

#[test]
fn another_circuit_or_package_than_asked_for() {
    let fixture = addition();
    let other = Digest([0xab; 32]);
    for (digest, package, parts) in [
        (other, 0, [other.to_string(), fixture.circuit.digest.to_string()]),
        (fixture.circuit.digest, 77, ["a package of 77 bytes".into(), "expected none".into()]),
    ] {
        let (client, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
            end.take_frame();
            end.put(&frame(Kind::ServerHello, &server_hello(digest, package)));
            end.take_refusal()
        });
        assert_sentence(&client.expect_err("not what was asked for"), &[&parts[0], &parts[1]]);
        assert!(refusal.expect("the server is told").contains(&parts[0]));
    }
}

#[test]
fn a_package_of_another_digest_than_announced() {
    let fixture = neurons(2);
    let package = fixture.circuit.package.clone().expect("neurons are packaged");
    let announced = Digest([0xab; 32]);
    let (client, refusal) = scripted_server(&fixture, &Limits::default(), true, |end| {
        end.take_frame();
        end.put(&frame(Kind::ServerHello, &server_hello(announced, package.len() as u64)));
        end.put(&frame(Kind::Package, &package));
        end.take_refusal()
    });
    let digests = [announced.to_string(), fixture.circuit.digest.to_string()];
    assert_sentence(&client.expect_err("not the one announced"), &[&digests[0], &digests[1]]);
    assert!(refusal.expect("the server is told").contains(&digests[0]));
}

/// What a client pins is compared with the announcement: none of the package is waited for or parsed.
#[test]
fn another_package_than_the_one_wanted_is_not_fetched() {
    let fixture = neurons(2);
    let wanted = Digest([0xcd; 32]);
    let (mut server_end, client_end) = wire::pair(None);
    let (client, refusal) = std::thread::scope(|scope| {
        let client = scope.spawn(move || {
            let rng = &mut ChaCha20Rng::seed_from_u64(8);
            client::greet_and_fetch(client_end, Some(wanted), &Offer::default(), &Limits::default(), rng)
                .err()
        });
        server_end.take_frame();
        server_end.put(&frame(Kind::ServerHello, &server_hello(fixture.circuit.digest, 1 << 20)));
        let refusal = server_end.take_refusal();
        (client.join().expect("no panic").expect("not the one wanted"), refusal)
    });
    assert!(matches!(client, SessionError::Mismatch(_)), "{client}");
    let digests = [wanted.to_string(), fixture.circuit.digest.to_string()];
    assert_sentence(&client, &[&digests[0], &digests[1]]);
    assert!(refusal.expect("the server is told").contains(&digests[0]));
}

#[test]
fn an_input_of_another_length_than_the_circuit_takes() {
    let fixture = addition();
    let (server_end, client_end) = wire::pair(None);
    let limits = Limits { message: Duration::from_secs(5), ..Limits::default() };
    let short = Fixture { inputs: vec![vec![true; 15]], ..addition() };
    let (server, client) = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &limits));
        let client = short.ask(client_end, &limits);
        (server.join().expect("no panic"), client)
    });
    assert_sentence(&client.expect_err("one bit is missing"), &["15 bits", "takes 16"]);
    assert_sentence(&server.expect_err("the server is told"), &["input does not fit the circuit"]);
}

#[test]
fn who_holds_what_names_the_circuit_but_not_the_order_in_which_it_is_said() {
    let digest = |groups: &[usize]| Circuit::of_netlist(adder(), groups).expect("valid").digest;
    assert_eq!(digest(&[0]), digest(&[0, 0]));
    assert_ne!(digest(&[0]), digest(&[1]));
    assert_ne!(digest(&[0]), digest(&[]));
}
