//! TLS between two processes: who is let in, and what those hear who are not.

use serde_json::Value;

use crate::command::{run, run_failing, run_ok};
use crate::model::{Model, samples};
use crate::{MASKS, classes, serve};

/// Makes a certificate for a host; its file and that of its key.
fn certificate(model: &Model, name: &str, host: &str) -> [String; 2] {
    let prefix = model.file(name);
    let printed = run_ok(["certificate", host, "-o", &prefix]);
    assert_eq!(printed.lines().count(), 2, "{printed}");
    [format!("{prefix}.crt"), format!("{prefix}.key")]
}

#[test]
fn the_answers_inside_of_tls_are_the_same_and_so_are_the_bytes_counted() {
    let model = Model::new(MASKS);
    let samples = samples(20);
    let file = model.write_samples("x.npy", &samples);
    let [cert, key] = certificate(&model, "server", "127.0.0.1");
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let plain = serve(&model, &["--connections", "1"]);
    let inside = serve(&model, &[&["--connections", "2", "--pool", "3"][..], &tls].concat());
    let infer = |address: &str, more: &[&str]| -> Value {
        let arguments = ["infer", "--server", address, "--input", &file, "--json"];
        let json = run_ok(arguments.iter().chain(more));
        let wanted: Vec<u64> = samples.iter().map(|s| model.class(s)).collect();
        assert_eq!(classes(&json, &file), wanted);
        serde_json::from_str(&json).expect("JSON")
    };
    let (without, with) = (infer(&plain.address, &[]), infer(&inside.address, &["--tls-ca", &cert]));
    for count in ["sent_bytes", "received_bytes", "round_trips"] {
        assert_eq!(without[count], with[count], "{count}");
    }
    let ahead = infer(&inside.address, &["--tls-ca", &cert, "--ahead", "3"]);
    assert_eq!(ahead["circuits_ahead"], 3);
    plain.finish();
    inside.finish();
}

#[test]
fn those_who_do_not_fit_are_told_why() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let [cert, key] = certificate(&model, "server", "localhost");
    let [other, _] = certificate(&model, "other", "localhost");
    let inside = serve(&model, &["--tls-cert", &cert, "--tls-key", &key, "--connections", "1"]);
    let plain = serve(&model, &["--connections", "1"]);
    let infer = ["infer", "--input", &file, "--server"];
    for (address, flags, reason) in [
        // The address is not the certificate's name; another name's certificate would be right.
        (&inside.address, &["--tls-ca", &cert][..], "certificate not valid for name"),
        (&inside.address, &["--tls-ca", &other, "--tls-name", "localhost"], "invalid peer certificate"),
        (&inside.address, &[], "the peer speaks TLS, this host was not told to"),
        (&plain.address, &["--tls-ca", &cert, "--tls-name", "localhost"], "corrupt message"),
    ] {
        let text = run_failing(infer.iter().copied().chain([address.as_str()]).chain(flags.iter().copied()));
        assert!(text.contains(reason), "{flags:?}: {text} does not say {reason}");
    }
    let right = ["--tls-ca", &cert, "--tls-name", "localhost"];
    run_ok(infer.iter().copied().chain([inside.address.as_str()]).chain(right));
    let log = inside.finish();
    assert_eq!(log.matches("failed after").count(), 3, "{log}");
    run_ok(infer.iter().copied().chain([plain.address.as_str()]));
    let log = plain.finish();
    assert!(log.contains("the peer speaks TLS, this host was not told to"), "{log}");
}

#[test]
fn a_server_that_wants_certificates_serves_their_holders() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let [cert, key] = certificate(&model, "server", "127.0.0.1");
    let [known, known_key] = certificate(&model, "client", "hospital");
    let [unknown, unknown_key] = certificate(&model, "stranger", "stranger");
    let flags = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &known, "--connections", "1"];
    let server = serve(&model, &flags);
    let infer = ["infer", "--input", &file, "--server", &server.address, "--tls-ca", &cert];
    run_failing(infer);
    run_failing(infer.iter().chain(&["--tls-cert", &unknown[..], "--tls-key", &unknown_key]));
    run_ok(infer.iter().chain(&["--tls-cert", &known[..], "--tls-key", &known_key]));
    let log = server.finish();
    assert_eq!((log.matches("1 inferences").count(), log.matches("failed after").count()), (1, 2), "{log}");
}

/// An allowance is a certificate's where clients show one, and an address's where they do not, also inside
/// of TLS.
#[test]
fn inferences_are_counted_by_certificate_where_clients_show_one() {
    let model = Model::new(MASKS);
    let file = model.write_samples("2.npy", &samples(2));
    let [cert, key] = certificate(&model, "server", "127.0.0.1");
    let clients = ["one", "two"].map(|name| certificate(&model, name, name));
    let both = model.file("both.crt");
    let pem = clients.each_ref().map(|[cert, _]| std::fs::read_to_string(cert).expect("it is there"));
    std::fs::write(&both, pem.concat()).expect("written");
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--inferences", "2", "--connections"];
    let named = serve(&model, &[&tls[..], &["4", "--tls-client-ca", &both]].concat());
    let unnamed = serve(&model, &[&tls[..], &["2"]].concat());
    let infer = |address: &str, [cert_of, key_of]: &[String; 2]| {
        let flags = ["--tls-ca", &cert, "--tls-cert", cert_of, "--tls-key", key_of];
        run(["infer", "--input", &file, "--server", address].iter().chain(&flags))
    };
    let refused = |output: std::process::Output, by: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{text}");
        assert!(text.contains(&format!("granted 2 inferences an hour, counted by {by}")), "{text}");
    };
    // One address, two certificates: each has its own, and each uses it up.
    assert!(clients.iter().all(|client| infer(&named.address, client).status.success()));
    clients.iter().for_each(|client| refused(infer(&named.address, client), "certificate"));
    // A certificate that nobody asked for is none.
    assert!(infer(&unnamed.address, &clients[0]).status.success());
    refused(infer(&unnamed.address, &clients[1]), "address");
    named.finish();
    unnamed.finish();
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let model = Model::new(MASKS);
    let (package, secret) = (model.package(), model.secret());
    let file = model.write_samples("x.npy", &samples(1));
    let [cert, key] = certificate(&model, "server", "127.0.0.1");
    let [_, other] = certificate(&model, "other", "127.0.0.1");
    let missing = model.file("missing.pem");
    let serve = ["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"];
    let infer = ["infer", "--server", "127.0.0.1:9", "--input", &file];
    for (command, flags, named) in [
        (&serve[..], vec!["--tls-cert", &missing, "--tls-key", &key], &missing),
        (&serve, vec!["--tls-cert", &key, "--tls-key", &key], &key),
        (&serve, vec!["--tls-cert", &cert, "--tls-key", &cert], &cert),
        (&serve, vec!["--tls-cert", &cert, "--tls-key", &other], &cert),
        (&serve, vec!["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &package], &package),
        (&infer, vec!["--tls-ca", &missing], &missing),
        (&infer, vec!["--tls-ca", &file], &file),
    ] {
        let text = run_failing(command.iter().copied().chain(flags.iter().copied()));
        assert!(text.contains(named.as_str()), "{flags:?}: {text}");
    }
    // Files that are there are not written over, and a certificate does not stay without its key.
    let prefix = model.file("server");
    for (gone, named) in [(None, &cert), (Some(&cert), &key)] {
        gone.into_iter().for_each(|file| std::fs::remove_file(file).expect("it is there"));
        let text = run_failing(["certificate", "127.0.0.1", "-o", &prefix]);
        assert!(text.contains(named) && text.contains("cannot be written"), "{text}");
    }
    assert!(!std::path::Path::new(&cert).exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&key).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "the key is for its owner only");
    }
}
