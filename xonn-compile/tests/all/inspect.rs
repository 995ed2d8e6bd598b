//! `xonn-compile inspect`: bounds, formats, hostile names, and all refusals of a model at once.

use std::io::Read;
use std::path::Path;

use crate::common::{compile, fixture, options};
use crate::on_shares::bundled_model;
use assert_cmd::Command;
use serde_json::{Value, json};
use xonn_circuits::tiled::traffic::Traffic;
use xonn_compile::inspect::{Costs, Diagram, FileKind, Network, Problem, Report, dot, html, traffic};
use xonn_compile::keras;
use xonn_program::text::grouped;

fn inspect() -> Command {
    let mut command = Command::cargo_bin("xonn-compile").expect("the binary is built");
    command.arg("inspect");
    command
}

fn output(command: &mut Command, code: i32) -> (String, String) {
    let output = command.assert().code(code).get_output().clone();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is UTF-8");
    (text(output.stdout), text(output.stderr))
}

fn costs(name: &str) -> Costs {
    Costs::of(&compile(&fixture(name)).expect("it compiles").lower().expect("it has a circuit").circuit)
}

/// Boyar and Peralta's bound.
fn least(n: u64) -> u64 {
    n - u64::from(n.count_ones())
}

#[test]
fn bounds_take_the_border_of_a_convolution_into_account() {
    let costs = costs("conv_same.h5");
    let of = |name: &str| costs.layers.iter().find(|row| row.name == name).expect("the layer is there");
    assert_eq!(of("1_conv2d").lower_bound, None, "pixels have 8 bits");
    // 3 x 3 windows with stride 2 on 8 x 7: no row above and one below, one column on either side.
    let second: u64 =
        [3, 3, 3, 2].iter().flat_map(|rows| [2, 3, 3, 2].map(|columns| 8 * least(rows * columns * 6))).sum();
    assert_eq!(of("2_conv2d").lower_bound, Some(second));
    assert_eq!((of("4_dense").lower_bound, of("4_dense").bound_ratio), (Some(4 * least(128)), Some(1.0)));
    assert_eq!(of("6_argmax").lower_bound, None, "an argmax counts nothing");
    let third = of("3_conv2d").lower_bound.expect("it counts ones");
    assert_eq!(costs.total.lower_bound, Some(second + third + 4 * least(128)));
    for row in &costs.layers {
        assert!(
            row.lower_bound.is_none_or(|bound| bound <= row.and.total()),
            "{}: below the bound",
            row.name
        );
    }
}

#[test]
fn json_has_costs_bounds_and_the_time_of_a_network() {
    let file = fixture("tiny_mlp.h5");
    let arguments = ["--format", "json", "--rtt", "10", "--mbps", "8", "--and-rate", "1000"];
    let (stdout, _) = output(inspect().arg(&file).args(arguments), 0);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(report["kind"], "model");
    assert_eq!(report["layers"][1]["lower_bound"], json!(8 * least(16)));
    assert!(report["notes"].as_array().is_some_and(|notes| !notes.is_empty()));
    let [network] = report["networks"].as_array().expect("a list").as_slice() else { panic!("one network") };
    let number = |json: &Value| json.as_f64().expect("a number");
    // 8 Mbit/s are 1,000 bytes a millisecond, 1,000 ANDs a second one a millisecond.
    let and = &report["total"]["and"];
    let gates = number(&and["full"]) + number(&and["half"]);
    assert_eq!(number(&network["compute_ms"]), gates);
    let transfer = number(&network["bytes"]) / 1000.0;
    assert!((number(&network["total_ms"]) - transfer - gates - 10.0).abs() < 1e-6);
    assert_eq!(network["layers_ms"].as_array().map(Vec::len), report["layers"].as_array().map(Vec::len));
    output(inspect().arg(&file).args(["--rtt", "10"]), 2);
    output(inspect().arg(&file).args(["--rtt", "10", "--mbps", "0"]), 2);
}

/// Sums of 8-bit pixels by conditional addition: each figure of its rows from shapes and gates alone, as
/// docs/protocols/{weight_ot,garbled}.md have it.
#[test]
fn bytes_by_conditional_addition_are_those_of_the_shapes() {
    // A dense layer with thresholds: its neurons, and bits of the output.
    for (name, neurons, output) in [("tiny_mlp.h5", 16, 2), ("bm1", 128, 4)] {
        let network =
            if name == "bm1" { bundled_model(name, 1).0 } else { compile(&fixture(name)).expect(name) };
        let pixels = network.input().elements() as u64;
        // What holds all sums, and a bit more for the comparison.
        let bits = u64::from((pixels * 255).ilog2()) + 2;
        let circuit = network.lower().expect("it has a circuit").circuit;
        let ways = traffic::of(network.program(), &circuit);
        let [garbled, addition] = ways.as_chunks::<2>().0 else { panic!("{name}: {} ways", ways.len()) };
        for (number, (garbled, way)) in garbled.iter().zip(addition).enumerate() {
            assert_eq!((way.first_layer, way.scheme), ("oca", garbled.scheme), "{name}");
            // Half gates: two blocks. Three halves: three half blocks, and 5 bits.
            let and = &way.and;
            let full = [32 * and.full, 24 * and.full + (5 * and.full).div_ceil(8)][number];
            let tables = full + 16 * (and.half + and.evaluator_half);
            // Bits of a segment are filled up to a byte; these circuits have few of them.
            assert!((tables..tables + 1 + number as u64).contains(&way.tables), "{name}: {tables}, {way:?}");
            // The sums of the first layer are not in it.
            assert!(and.full < garbled.and.full, "{name}");
            // The masked pixels; for each weight a number that counts twice; a digest.
            let corrections = (pixels * bits).div_ceil(8) + neurons * (pixels * (bits - 1)).div_ceil(8) + 32;
            assert_eq!(way.corrections, corrections, "{name}: {way:?}");
            assert_eq!(way.decoding, 32 * output, "{name}");
            // A block for each bit of either share and one to begin with; the client's choices, their digest.
            let shared = neurons * bits;
            let labels = 16 * (2 * shared + 1) + (shared + 1).div_ceil(8) + 32;
            // The rest makes the rows of these choices, some two bytes a row.
            let rows = way.labels.checked_sub(labels).expect("no less than that");
            println!("{name}: {rows} bytes for {} rows", shared + 1);
            assert!(rows > 0 && rows < 3 * shared, "{name}: {way:?}");
        }
    }
}

/// A first layer of pixels by both protocols, in all three formats; the closed form is `xonn-run`'s test of
/// the wire.
#[test]
fn bytes_of_a_prediction_stand_in_every_format() {
    let file = fixture("conv_same.h5");
    let network = compile(&file).expect("it compiles");
    let program = network.lower().expect("it has a circuit").circuit;
    let ways = traffic::of(network.program(), &program);
    assert_eq!(ways[..2], Traffic::of(&program)[..2]);
    for way in &ways {
        assert_eq!(way.inference, way.tables + way.labels + way.corrections + way.decoding, "{way:?}");
    }
    let names: Vec<_> = ways.iter().map(|way| (way.first_layer, way.scheme)).collect();
    let schemes = ["half-gates", "three-halves"];
    assert_eq!(names, ["gc", "oca"].map(|first| schemes.map(|scheme| (first, scheme))).concat());
    assert!(ways[2].inference < ways[0].inference / 2 && ways[1].inference < ways[0].inference);
    assert!(ways[0].is_default() && ways[1..].iter().all(|way| !way.is_default()));
    assert_eq!(ways[0].tables, Costs::of(&program).total.bytes);
    let (stdout, _) = output(inspect().arg(&file).args(["--format", "json"]), 0);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(report["traffic"], serde_json::to_value(&ways).expect("it is JSON"));
    for format in ["text", "html"] {
        let (stdout, _) = output(inspect().arg(&file).args(["--format", format]), 0);
        for way in &ways {
            assert!(stdout.contains(&grouped(way.inference)), "{format}: {way:?}");
        }
        // First what the default protocol sends, then what is named by its flag.
        let ends =
            ["a prediction", "clients semi-honest"].map(|name| stdout.find(name).expect("it is named"));
        assert!(ends[0] < ends[1], "{format}");
    }
}

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>]; evil [label=\"x\\";

/// The configuration and weights of a `.keras` fixture.
fn parts(name: &str) -> (Value, Vec<u8>) {
    let file = std::fs::File::open(fixture(name)).expect("the fixture is readable");
    let mut zip = zip::ZipArchive::new(file).expect("it is an archive");
    let mut entry = |name: &str| {
        let mut bytes = Vec::new();
        zip.by_name(name).expect("it is there").read_to_end(&mut bytes).expect("it is readable");
        bytes
    };
    (serde_json::from_slice(&entry("config.json")).expect("it is JSON"), entry("model.weights.h5"))
}

fn assert_harmless(page: &str) {
    for bad in ["<script", "<img", "src=\"", "href=\"", "http:", "https:", "@import", "onerror='"] {
        assert!(!page.contains(bad), "the page holds {bad}");
    }
    let elsewhere = page.match_indices("url(").filter(|(at, _)| !page[*at..].starts_with("url(#tip)"));
    assert_eq!(elsewhere.count(), 0);
    // Every element that is opened is closed: nothing broke out of its place.
    for tag in ["svg", "g", "text", "title", "section", "div", "table", "tr", "td", "main"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_hostile_layer_name_stays_text() {
    // Weights of Keras 2.15 are numbered, so that the names in the configuration are free.
    let (mut config, weights) = parts("tiny_mlp.keras");
    let layers = config["config"]["layers"].as_array_mut().expect("a list");
    for (i, layer) in layers.iter_mut().enumerate() {
        layer["config"]["name"] = json!(format!("{HOSTILE}{i}"));
        if let Some(own) = layer.get_mut("name") {
            *own = json!(format!("{HOSTILE}{i}"));
        }
    }
    let config = serde_json::to_vec(&config).expect("it is JSON");
    let graph = keras::read_bytes(config, "m", Some((&weights, "w")), &options()).expect("it can be read");
    let mut report = Report::new(HOSTILE, FileKind::Model);
    report.diagrams.push(Diagram::of_graph(&graph));
    let network = compile(&fixture("conv_same.h5")).expect("it compiles");
    report.add_circuit(network.input(), &network.lower().expect("it has a circuit").circuit);
    report.add_network(Network::WAN);
    report.notes.push(HOSTILE.into());
    report.digest = Some(HOSTILE.into());
    let page = html::html(&report);
    assert_harmless(&page);
    assert!(page.contains("&lt;script&gt;") && page.matches("<svg class=\"graph\"").count() == 2);
    let dot = dot::dot(&report.diagrams[0]);
    assert!(!dot.contains("[label=\"x\"") && !dot.contains("\n  evil"), "{dot}");
    // Outside of quotes there is nothing but our own words.
    let mut outside = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for c in dot.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted => outside.push(c),
            _ => {}
        }
    }
    assert!(!quoted && !outside.contains("evil") && !outside.contains("script"), "{outside}");
}

/// A configuration with a problem in nearly every layer, the third layer's name being hostile.
fn hopeless() -> Value {
    let dense = json!({ "name": "d", "units": 4, "kernel_quantizer": "DoReFa", "activation": "sparsemax",
                        "dtype": "float16",
        "batch_input_shape": [null, 12] });
    let conv = json!({ "name": "c", "filters": 4, "kernel_size": 3, "padding": "reflect", "strides": 0,
        "dilation_rate": [1, 2, 3], "kernel_quantizer": "SteSign" });
    json!({ "class_name": "Sequential", "config": { "name": "s", "layers": [
        { "class_name": "QuantDense", "config": dense },
        { "class_name": "QuantConv2D", "config": conv },
        { "class_name": "LSTM", "config": { "name": HOSTILE, "units": 3 } },
        { "class_name": "Flatten", "config": { "name": "fine" } },
        { "class_name": "Attention", "config": { "name": "a" } },
    ] } })
}

fn written(folder: &Path, name: &str, json: &Value) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, json.to_string()).expect("it can be written");
    path
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path(), "model.json", &hopeless());
    let (stdout, stderr) = output(inspect().arg(&path).args(["--format", "json"]), 1);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    let problems = report["problems"].as_array().expect("a list");
    let found: Vec<(&str, &str)> = problems
        .iter()
        .map(|p| (p["layer"].as_str().expect("a text"), p["attribute"].as_str().expect("a text")))
        .collect();
    let expected = [
        ("", ""),
        ("d", "dtype"),
        ("d", "activation"),
        ("d", "kernel_quantizer"),
        ("c", "padding"),
        ("c", "strides"),
        ("c", "dilation_rate"),
        (HOSTILE, ""),
        ("a", ""),
    ];
    assert_eq!(found, expected);
    assert!(
        problems.iter().all(|p| p["stage"] == "read" && p["reason"].as_str().is_some_and(|r| r.len() > 10))
    );
    assert!(problems[0]["advice"].as_str().is_some_and(|advice| advice.contains("--weights")));
    assert!(stderr.contains("9 problems"), "{stderr}");

    let (page, _) = output(inspect().arg(&path).args(["--format", "html"]), 1);
    assert_harmless(&page);
    assert!(page.contains("Cannot be compiled") && page.contains("&lt;script&gt;"));
    // Drawn all the same: an input, five layers, four of them refused.
    let boxes = |class: &str| page.matches(&format!("<g class=\"{class}\">")).count();
    assert_eq!((boxes("end"), boxes("other"), boxes("refused")), (1, 1, 4));
    let (text, _) = output(inspect().arg(&path), 1);
    assert!(text.contains("9 problems:") && text.contains("layer \"c\" (QuantConv2D): padding"), "{text}");

    // `build` says the same, a line each.
    let mut build = Command::cargo_bin("xonn-compile").expect("the binary is built");
    let (_, stderr) = output(build.arg("build").arg(&path).arg("-o").arg(folder.path().join("m.xonn")), 1);
    assert_eq!(stderr.lines().filter(|line| line.starts_with("  ")).count(), 9, "{stderr}");
}

#[test]
fn problems_behind_the_reader_are_listed_too() {
    let (stdout, _) =
        output(inspect().arg(fixture("tiny_mlp.h5")).args(["--input-bits", "60", "--format", "json"]), 1);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    let [problem] = report["problems"].as_array().expect("a list").as_slice() else { panic!("one problem") };
    assert_eq!(problem["stage"], "compile");
    let error = keras::read(&fixture("nan_weights.keras"), &options()).expect_err("NaN");
    let [problem] = Problem::of_reading(&error).try_into().expect("one problem");
    assert_eq!((problem.layer.as_str(), problem.attribute.as_str()), ("quant_dense_1", "kernel"));
    let (stdout, stderr) = output(inspect().arg(fixture("nowhere.h5")), 1);
    assert!(stdout.is_empty() && stderr.contains("nowhere.h5: cannot be read"), "{stderr}");
}

#[test]
fn netlists_have_any_name_and_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 OR\n";
    for (name, text) in [
        ("a.bristol", text.to_owned()),
        ("a.circ", format!("// or\n{text}")),
        ("noext", format!("\u{feff}# or\n{text}")),
        ("a.h5", format!("\n {text}")),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        let (stdout, _) = output(inspect().arg(&path), 0);
        assert!(
            stdout.contains("inputs 1 + 1 bits, outputs 1 bits") && stdout.contains("AND 1, XOR 2"),
            "{stdout}"
        );
    }
    let none = folder.path().join("none.txt");
    std::fs::write(&none, "2 2\n0\n1 2\n\n1 1 1 0 EQ\n1 1 0 1 EQ\n").expect("it can be written");
    for format in ["text", "html"] {
        let (stdout, _) = output(inspect().arg(&none).args(["--format", format]), 0);
        assert!(
            stdout.contains("none") && stdout.contains("2 bits") && !stdout.contains("  bits"),
            "{stdout}"
        );
    }
    // What is empty is no netlist by its content, and one by its name.
    for (name, text) in
        [("empty.bristol", ""), ("zero.circ", "1 3\n2 1 1\n1 0\n2 1 0 1 2 AND\n"), ("bad", "1 3\n1 x\n")]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        let (_, stderr) = output(inspect().arg(&path), 1);
        assert!(stderr.contains(&format!("{name}, line ")), "{stderr}");
    }
}

#[test]
fn netlists_are_counted_and_drawn_if_they_are_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("n.txt");
    std::fs::write(&path, "4 7\n2 2 1\n1 1\n\n2 1 0 2 3 AND\n2 1 0 1 4 AND\n2 1 3 4 5 XOR\n1 1 5 6 INV\n")
        .expect("it can be written");
    let (stdout, _) = output(inspect().arg(&path).args(["--format", "json"]), 0);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    let netlist = &report["netlist"];
    assert_eq!(netlist["and_costs"], json!({ "full": 0, "half": 1, "free": 1 }));
    assert_eq!((&netlist["and"], &netlist["xor"], &netlist["inv"]), (&json!(2), &json!(1), &json!(1)));
    let (dot, _) = output(inspect().arg(&path).args(["--format", "dot"]), 0);
    assert_eq!(dot.matches(" -> ").count(), 7, "{dot}");
    let page = folder.path().join("n.html");
    let (stdout, _) = output(inspect().arg(&path).args(["--format", "html", "-o"]).arg(&page), 0);
    assert!(stdout.is_empty());
    assert_harmless(&std::fs::read_to_string(page).expect("it was written"));

    let gates: String = (0..3000).map(|i| format!("1 1 {i} {} INV\n", i + 1)).collect();
    std::fs::write(&path, format!("3000 3001\n1 1\n1 1\n\n{gates}")).expect("it can be written");
    let (_, stderr) = output(inspect().arg(&path).args(["--format", "dot"]), 1);
    assert!(stderr.contains("3000 gates") && stderr.contains("2000"), "{stderr}");
    output(inspect().arg(&path), 0);
}

#[test]
fn all_forms_show_the_plan_on_shares_and_why_its_circuit_begins() {
    let show = |model: &str, format: &str| {
        output(inspect().arg(fixture(model)).args(["-q", "--format", format]), 0).0
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Sums, max pool of numbers, and the rest in a circuit.
    let reason = "layer 2 (max_pool2d): the largest of noisy sums is found in a circuit only";
    let [text, page] = ["text", "html"].map(|format| show("max_pool_numbers.h5", format));
    assert!(words(&text).contains(reason), "{text}");
    assert!(words(&page).contains(reason), "{page}");
    let json: Value = serde_json::from_str(&show("max_pool_numbers.h5", "json")).expect("it is JSON");
    let plan = &json["on_shares"];
    assert_eq!((&plan["not_taken"]["layer"], &plan["not_taken"]["op"]), (&json!(2), &json!("max_pool2d")));
    // The page has the stages that JSON has.
    let stages = plan["stages"].as_array().expect("a list");
    for stage in stages {
        let protocol = stage["protocol"].as_str().expect("a name");
        assert!(page.contains(&format!("<td>{protocol}</td>")), "{protocol}");
    }
    assert!(page.contains("the first</th>") && page.contains("2<sup>-40</sup>"));
    // All layers on shares.
    let json: Value = serde_json::from_str(&show("no_head_norm.h5", "json")).expect("it is JSON");
    assert!(json["on_shares"]["not_taken"].is_null() && json["on_shares"]["stages"].is_array());
    assert!(show("no_head_norm.h5", "html").contains("All layers are on shares"));
    // None at all.
    let [text, page] = ["text", "html"].map(|format| show("standardised.h5", format));
    let reason = "layer 1 (scale): secret scales are multiplied in a circuit only";
    assert!(words(&text).contains(reason), "{text}");
    assert!(page.contains("Not on shares") && page.contains(reason), "{page}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// The page of a model of hidden numbers has a picture of each layer; nothing that may be passed on has them.
#[test]
fn numbers_on_samples_are_drawn_for_the_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tabular_relu");
    let (file, samples) = (model.join("model.h5"), model.join("samples/measured.csv"));
    let more = ["-q", "--input-standardised", "--allow-error", "--calibrate"];
    let show =
        |format: &str| output(inspect().arg(&file).args(more).arg(&samples).args(["--format", format]), 0).0;
    let page = show("html");
    assert_harmless(&page);
    assert_eq!(page.matches("<svg class=\"ranges\"").count(), page.matches("<figure").count());
    assert!(page.matches("<figure").count() >= 4 && page.contains("bits to spare"), "{page}");
    assert!(page.contains("it is for the model's owner"));
    assert!(!show("json").contains("digits") && !show("text").contains("spare"));
    let package = folder.path().join("m.xonn");
    let mut build = Command::cargo_bin("xonn-compile").expect("the binary is built");
    build.arg("build").arg(&file).args(more).arg(&samples).arg("-o").arg(&package).assert().success();
    let (page, _) = output(inspect().arg(&package).args(["--format", "html"]), 0);
    assert!(!page.contains("<figure") && !page.contains("Numbers on the samples"));
}
