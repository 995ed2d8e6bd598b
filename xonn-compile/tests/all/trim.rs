//! Trimming: what provably never matters goes without a trace, what matters least goes down to the floor.

#[path = "trim/keras_file.rs"]
mod keras_file;

use std::path::Path;

use crate::common::{fixture, options, samples};
use assert_cmd::Command;
use keras_file::{Layer, Random, conv, dense, functional, input, joined, norm, plain, sequential};
use serde_json::json;
use xonn_compile::keras_write::Document;
use xonn_compile::passes::{InputOptions, Options};
use xonn_compile::trim::Change;
use xonn_compile::trim::{self, How, Model, Samples, Settings, TrimError, exact, space};

/// Inputs of one bit, so that small networks can be asked about all of them.
fn bits() -> How {
    let input = InputOptions { bits: Some(1), ..InputOptions::default() };
    How { passes: Options { input, ..Options::default() }, ..How::default() }
}

fn all_inputs(count: usize) -> Vec<Vec<i64>> {
    (0..1i64 << count).map(|x| (0..count).map(|i| x >> i & 1).collect()).collect()
}

fn some_inputs(count: usize, length: usize) -> Vec<Vec<i64>> {
    let mut random = Random::new(11);
    (0..count).map(|_| (0..length).map(|_| random.below(2) as i64).collect()).collect()
}

/// BatchNorms that are neither constant nor equal.
fn norms(random: &mut Random, channels: usize) -> Vec<[f32; 3]> {
    let half = |random: &mut Random| random.below(5) as f32 - 2.0;
    (0..channels).map(|_| [random.sign() * 0.75, 0.0, half(random) / 2.0]).collect()
}

fn channels(model: &Model) -> Vec<(String, usize)> {
    space::find(model).0.into_iter().map(|space| (space.name, space.channels)).collect()
}

/// Trims exactly and compares all predictions, on inputs that the trimming has not seen as well.
fn trim_exactly(layers: &[Layer], seen: &[Vec<i64>], all: &[Vec<i64>]) -> (Model, Vec<Change>) {
    let before = Model::new(sequential(layers), &bits()).expect("it compiles");
    let classes = before.classes(all).expect("it compiles");
    let (after, changes) = exact::run(before, &bits(), &[seen]).expect("it compiles");
    assert_eq!(after.classes(all).expect("it compiles"), classes);
    (after, changes)
}

fn change(layer: &str, reason: &'static str, channels: usize) -> Change {
    Change { layer: layer.into(), reason, channels }
}

/// Ten neurons of which six do not matter: a constant +1, a constant -1, an equal pair that cancels, an
/// opposite pair that cancels.
fn planted_dense(random: &mut Random) -> Vec<Layer> {
    let mut first = random.signs(&[6, 10]);
    let mut second = random.signs(&[10, 5]);
    let mut first_norm = norms(random, 10);
    (first_norm[0][2], first_norm[7][2]) = (-100.0, 100.0);
    first_norm[2] = [0.75, 0.0, 0.5];
    first_norm[5] = first_norm[2];
    first_norm[3] = [0.75, 0.0, -0.5];
    first_norm[8] = [-0.75, 0.0, -0.5];
    for i in 0..6 {
        first.data[10 * i + 5] = first.data[10 * i + 2];
        first.data[10 * i + 8] = first.data[10 * i + 3];
    }
    for unit in 0..5 {
        second.data[5 * 5 + unit] = -second.data[5 * 2 + unit];
        second.data[5 * 8 + unit] = second.data[5 * 3 + unit];
    }
    let head = norms(random, 3);
    vec![
        input(&[6]),
        dense("a", true, first, None),
        norm("na", &first_norm),
        dense("b", false, second, None),
        norm("nb", &norms(random, 5)),
        dense("c", false, random.signs(&[5, 3]), None),
        norm("nc", &head),
    ]
}

#[test]
fn planted_neurons_go_and_no_prediction_changes() {
    let all = all_inputs(6);
    let mut found = 0;
    for seed in 0..12 {
        let layers = planted_dense(&mut Random::new(seed));
        // One sample is all that the trimming sees: nothing may be concluded from the data.
        let (after, changes) = trim_exactly(&layers, &all[..1], &all);
        let of = |reason: &str| -> usize {
            changes.iter().filter(|c| c.layer == "a" && c.reason == reason).map(|c| c.channels).sum()
        };
        assert!(of("constant") >= 2 && of("cancelling") >= 2, "{seed}: {changes:?}");
        found += usize::from(of("constant") == 2 && of("cancelling") == 4);
        let left = channels(&after);
        assert_eq!(left[0].1, 10 - of("constant") - of("cancelling"));
        // Nothing more is found in what is left.
        let again = exact::run(after, &bits(), &[&all[..1]]).unwrap().1;
        assert_eq!(again, []);
    }
    assert!(found >= 6, "the planted neurons and no others, in {found} of 12");
}

/// `seen` proves nothing: a neuron that is constant on the data alone stays.
#[test]
fn constant_on_the_data_is_no_proof() {
    let mut random = Random::new(5);
    let mut first_norm = norms(&mut random, 4);
    first_norm[1] = [1.0, 0.0, 5.5]; // fires for one input of all
    let mut first = random.signs(&[6, 4]);
    (0..6).for_each(|i| first.data[4 * i + 1] = 1.0);
    let layers = vec![
        input(&[6]),
        dense("a", true, first, None),
        norm("na", &first_norm),
        dense("b", false, random.signs(&[4, 3]), None),
        norm("nb", &norms(&mut random, 3)),
    ];
    let model = Model::new(sequential(&layers), &bits()).unwrap();
    let (_, changes) = exact::run(model, &bits(), &[&all_inputs(6)[..63]]).unwrap();
    assert!(changes.iter().all(|c| c.channels < 4), "{changes:?}");
    let model = Model::new(sequential(&layers[..4]), &bits()).unwrap();
    // Without a bias or a BatchNorm behind there is nowhere for a constant to go.
    let mut constant = layers[..4].to_vec();
    constant[2] = norm("na", &[[1.0, 0.0, 99.0], [1.0, 0.0, 0.5], [-1.0, 0.0, 0.5], [1.0, 0.0, 1.5]]);
    let (after, changes) = trim_exactly(&constant, &[], &all_inputs(6));
    assert!(changes.iter().all(|c| c.reason != "constant"), "{changes:?}");
    assert_eq!(channels(&after)[0], channels(&model)[0]);
}

/// Convolution, bias, pooling, flattening: channel c of each pixel goes with its rows of the dense kernel.
#[test]
fn planted_channels_go_through_pooling_and_flattening() {
    let seen = some_inputs(1, 36);
    let all = some_inputs(3000, 36);
    for (pool, seed) in [("MaxPooling2D", 1), ("MaxPooling2D", 2), ("AveragePooling2D", 3)] {
        let mut random = Random::new(seed);
        let mut kernel = random.signs(&[3, 3, 1, 6]);
        let mut head = random.signs(&[4 * 6, 3]);
        let mut first_norm = norms(&mut random, 6);
        first_norm[4][2] = 50.0;
        first_norm[0] = [0.75, 0.0, 0.5];
        first_norm[3] = first_norm[0];
        (0..9).for_each(|tap| kernel.data[6 * tap + 3] = kernel.data[6 * tap]);
        for pixel in 0..4 {
            for class in 0..3 {
                head.data[(6 * pixel + 3) * 3 + class] = -head.data[6 * pixel * 3 + class];
            }
        }
        let pooling = json!({
            "name": "p", "pool_size": [2, 2], "strides": [2, 2], "padding": "valid",
            "data_format": "channels_last"
        });
        let mut dense = dense("d", false, head, Some(vec![0.5, -0.25, 0.0]));
        if pool == "AveragePooling2D" {
            // The mean of bits goes in as it is.
            dense.config["input_quantizer"] = json!(null);
        }
        let layers = vec![
            input(&[6, 6, 1]),
            conv("c", true, kernel, None, "valid", 0.0),
            norm("n", &first_norm),
            plain("SteSign", json!({ "name": "s" })),
            plain(pool, pooling),
            plain("Flatten", json!({ "name": "f", "data_format": "channels_last" })),
            dense,
        ];
        let (after, changes) = trim_exactly(&layers, &seen, &all);
        assert_eq!(changes, [change("c", "constant", 1), change("c", "cancelling", 2)], "{pool}");
        assert_eq!(channels(&after), [("c".to_owned(), 3)]);
        // Whole channels are gone from every array.
        let places = |layer: &str, roles: &[&str]| after.places.with_roles(layer, roles).unwrap();
        let shape = |path: &String| after.document.array(path).unwrap().shape.clone();
        assert_eq!(shape(&places("c", &["kernel"])[0]), [3, 3, 1, 3]);
        assert_eq!(shape(&places("d", &["kernel", "bias"])[0]), [12, 3]);
    }
}

/// Where a convolution reads zeros outside of its image, a constant channel adds less there than inside, and
/// stays; with a border of its own value it goes.
#[test]
fn a_constant_in_front_of_a_border_stays() {
    for (padding, pad, goes) in
        [("same", 0.0, false), ("same", 1.0, true), ("same", -1.0, false), ("valid", 0.0, true)]
    {
        let mut random = Random::new(9);
        let kernel = random.signs(&[1, 1, 1, 4]);
        // Each is its bit or the opposite, but for one that is always +1.
        let mut first: Vec<[f32; 3]> = kernel.data.iter().map(|w| [1.0, 0.0, 0.5 * w]).collect();
        first[2][2] = -99.0;
        let side = if padding == "same" { 4 } else { 2 };
        let layers = vec![
            input(&[4, 4, 1]),
            conv("c", true, kernel, None, "valid", 0.0),
            norm("n", &first),
            conv("e", false, random.signs(&[3, 3, 4, 3]), None, padding, pad),
            norm("m", &norms(&mut random, 3)),
            plain("Flatten", json!({ "name": "f", "data_format": "channels_last" })),
            dense("d", false, random.signs(&[side * side * 3, 3]), None),
            norm("h", &norms(&mut random, 3)),
        ];
        let (_, changes) = trim_exactly(&layers, &[], &all_inputs(16)[..20_000]);
        let constant = changes.iter().any(|c| c.layer == "c" && c.reason == "constant");
        assert_eq!(constant, goes, "{padding} {pad}: {changes:?}");
    }
}

/// Trained models with awkward BatchNorms, in every layout: the trimmed file gives Keras's labels.
#[test]
fn exactly_trimmed_models_give_kerass_labels() {
    let mut removed = 0;
    for name in [
        "tiny_mlp.h5",
        "tiny_mlp.keras",
        "functional.keras",
        "keras3_stock.keras",
        "keras3_stock.h5",
        "bare_norm.h5",
        "no_head_norm.h5",
        "conv_valid.h5",
        "conv_same.keras",
        "conv_pad_one.h5",
        "conv_pool_before.h5",
        "conv_pool_after.h5",
        "conv_depthwise.h5",
        "conv_average.h5",
        "conv_global.h5",
        "residual_norm.h5",
        "residual_integer.h5",
        "concatenate.h5",
        "average_same.h5",
        "norm_then_dense.h5",
        "ternary.h5",
        "max_pool_numbers.h5",
        "two_inputs.h5",
        "own_classes.keras",
    ] {
        let how = How { read: options(), ..How::default() };
        let before = Model::new(Document::read(&fixture(name)).unwrap(), &how).unwrap();
        let npz = Path::new(name).with_extension("npz");
        let (data, q) = samples(&fixture(npz.to_str().unwrap()), before.network.input());
        let channels_before: usize = channels(&before).iter().map(|c| c.1).sum();
        let (after, changes) = exact::run(before, &how, &[]).unwrap();
        let channels_after: usize = channels(&after).iter().map(|c| c.1).sum();
        assert_eq!(channels_before - channels_after, changes.iter().map(|c| c.channels).sum::<usize>());
        removed += channels_before - channels_after;
        let report = xonn_compile::check::compare(&data, &after.network.evaluate(&q).unwrap()).unwrap();
        assert_eq!(report.equal_to_keras, Some(q.len()), "{name}: {changes:?}");
    }
    assert!(removed >= 30, "{removed}");
}

/// Sums and joins of tensors, real weights, three-valued signs, several inputs: channels that reach a sum or
/// a join are kept, everything else is cut down to the floor.
#[test]
fn every_kind_of_network_can_be_trimmed() {
    for (name, kept) in [
        ("residual_norm.h5", "Add"),
        ("residual_integer.h5", "Add"),
        ("concatenate.h5", "Concatenate"),
        ("real_weights.h5", ""),
        ("ternary.h5", ""),
        ("two_inputs.h5", "Concatenate"),
        ("average_same.h5", ""),
    ] {
        let how = How { read: options(), ..How::default() };
        let document = Document::read(&fixture(name)).unwrap();
        let model = Model::new(document.clone(), &how).unwrap();
        let npz = Path::new(name).with_extension("npz");
        let (_, q) = samples(&fixture(npz.to_str().unwrap()), model.network.input());
        let labels = model.classes(&q).unwrap();
        let settings = Settings { floor: Some(0.5), seed: 1, samples: 100 };
        let before = model.ands();
        match trim::run(document, &how, Samples { q, labels }, &settings, &mut |_| ()) {
            Ok((document, report)) => {
                let after = Model::new(document, &how).unwrap();
                assert_eq!(after.ands(), report.after.ands, "{name}");
                assert!(after.ands() < before, "{name}");
                let reasons = serde_json::to_string(&report).unwrap();
                assert!(reasons.contains(kept), "{name}: {reasons}");
            }
            // Where all channels meet in sums there is nothing to remove.
            Err(error) => {
                assert!(!kept.is_empty(), "{name}: {error}");
                assert!(error.to_string().contains(kept), "{name}: {error}");
            }
        }
    }
}

/// Behind the planted layer `a` two branches meet: `a` loses neurons, the branches, which must agree, lose
/// none.
#[test]
fn planted_neurons_go_in_front_of_sums_joins_and_several_inputs() {
    for (join, two) in [("Add", false), ("Concatenate", false), ("Concatenate", true), ("Add", true)] {
        for seed in 0..4 {
            let mut random = Random::new(seed);
            let [_, a, na, b, nb, ..] = &planted_dense(&mut random)[..] else { unreachable!() };
            let sign = |name: &str| plain("SteSign", json!({ "name": name }));
            let mut layers = vec![(input(&[6]), vec![])];
            if two {
                let mut second = input(&[6]);
                second.config["name"] = json!("in2");
                layers.push((second, vec![]));
            }
            let width = if join == "Add" { 5 } else { 10 };
            layers.extend([
                (a.clone(), vec!["in"]),
                (na.clone(), vec!["a"]),
                (b.clone(), vec!["na"]),
                (nb.clone(), vec!["b"]),
                (sign("sb"), vec!["nb"]),
                (dense("e", true, random.signs(&[6, 5]), None), vec![if two { "in2" } else { "in" }]),
                (norm("ne", &norms(&mut random, 5)), vec!["e"]),
                (sign("se"), vec!["ne"]),
                (plain(join, json!({ "name": "join", "axis": -1 })), vec!["sb", "se"]),
                (dense("h", true, random.signs(&[width, 3]), Some(vec![0.5, 0.25, 0.0])), vec!["join"]),
            ]);
            let document = joined(&layers);
            let all = all_inputs(if two { 12 } else { 6 });
            let labels = Model::new(document.clone(), &bits()).unwrap().classes(&all).unwrap();
            let samples = Samples { q: all[..40].to_vec(), labels: labels[..40].to_vec() };
            let settings = Settings { floor: None, seed: 1, samples: 40 };
            let (document, report) = trim::run(document, &bits(), samples, &settings, &mut |_| ()).unwrap();
            let planted = report.layers.iter().find(|row| row.layer == "a").unwrap();
            assert!(planted.exact >= 4, "{join} {two} {seed}: {:?}", report.changes);
            assert_eq!((report.after.ranking, report.after.verification), (1.0, 1.0));
            for branch in ["b", "e"] {
                let kept = report.kept.iter().find(|kept| kept.layer == branch).unwrap();
                assert!(kept.reason.contains(join), "{}", kept.reason);
            }
            let bytes = document.to_bytes().unwrap();
            let again = Model::new(Document::from_bytes(bytes, "again.h5").unwrap(), &bits()).unwrap();
            assert_eq!(again.classes(&all).unwrap(), labels, "{join} {two} {seed}");
        }
    }
}

/// Planted in a ternary network: a neuron that nothing weighs, one that is constant, one that is neither.
#[test]
fn planted_neurons_of_a_ternary_network_go() {
    let all = all_inputs(6);
    for seed in 0..6 {
        let mut layers = planted_dense(&mut Random::new(seed));
        for layer in &mut layers {
            if layer.class == "QuantDense" {
                layer.config["kernel_quantizer"] = json!("ste_tern");
            }
        }
        // Neuron 1 is the only one with zeros: behind its removal the kernel is one of signs.
        let second = &mut layers[3].weights[0].1;
        second.data[5..10].fill(0.0);
        let (after, changes) = trim_exactly(&layers, &all[..1], &all);
        let of = |reason: &str| changes.iter().any(|c| c.layer == "a" && c.reason == reason);
        assert!(of("unread") && of("constant"), "{seed}: {changes:?}");
        assert!(channels(&after)[0].1 <= 7, "{seed}: {changes:?}");
    }
}

fn labelled(document: &Document, how: &How, count: usize, length: usize) -> Samples {
    let q = some_inputs(count, length);
    let model = Model::new(document.clone(), how).expect("it compiles");
    let mut labels = model.classes(&q).expect("it compiles");
    // Some labels are wrong, so that the model is not perfect.
    labels.iter_mut().step_by(17).for_each(|label| *label = (*label + 1) % 3);
    Samples { q, labels }
}

#[test]
fn ranked_trimming_ends_above_its_floor() {
    let document = sequential(&planted_dense(&mut Random::new(3)));
    let samples = labelled(&document, &bits(), 300, 6);
    let mut ands = Vec::new();
    for floor in [0.9, 0.7, 0.5] {
        let settings = Settings { floor: Some(floor), seed: 4, samples: 100 };
        let mut steps = Vec::new();
        let (trimmed, report) =
            trim::run(document.clone(), &bits(), samples.clone(), &settings, &mut |s| steps.push(s.clone()))
                .unwrap();
        assert!(report.after.ranking >= floor && report.after.verification >= floor, "{report:?}");
        assert_eq!(report.steps, steps);
        assert!(steps.iter().all(|s| s.ranking >= floor && s.verification >= floor));
        assert!(steps.is_sorted_by(|a, b| a.ands > b.ands));
        // The document says the same as the report, when it is read from its bytes again.
        let again = Document::from_bytes(trimmed.to_bytes().unwrap(), "again.h5").unwrap();
        let again = Model::new(again, &bits()).unwrap();
        assert_eq!(again.ands(), report.after.ands);
        for (half, accuracy) in
            samples.clone().split(4).iter().zip([report.after.ranking, report.after.verification])
        {
            assert_eq!(half.accuracy(&again).unwrap(), accuracy);
        }
        for row in &report.layers {
            assert_eq!(row.before, row.after + row.exact + row.ranked);
        }
        ands.push(report.after.ands);
    }
    assert!(ands[0] > ands[2], "{ands:?}");
    assert!(ands.is_sorted_by(|a, b| a >= b), "{ands:?}");
}

/// Without a floor every layer ends with a single channel, and none with fewer.
#[test]
fn a_floor_of_nothing_leaves_one_channel_a_layer() {
    let document = Document::read(&fixture("conv_valid.h5")).unwrap();
    let how = How { read: options(), ..How::default() };
    let model = Model::new(document.clone(), &how).unwrap();
    let (_, q) = samples(&fixture("conv_valid.npz"), model.network.input());
    let labels = model.classes(&q).unwrap();
    let settings = Settings { floor: Some(0.0), seed: 0, samples: 10 };
    let (trimmed, report) = trim::run(document, &how, Samples { q, labels }, &settings, &mut |_| {}).unwrap();
    assert_eq!(report.layers.iter().map(|row| row.after).collect::<Vec<_>>(), [1, 1]);
    assert!(report.warnings.iter().any(|w| w.contains("public")));
    assert!(report.after.ands < report.before.ands / 4);
    let svg = trim::plot::svg(&report).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("floor, 0.00 %"));
    assert!(Model::new(trimmed, &how).is_ok());
}

/// With labels that only some channels matter for, those are what is left.
#[test]
fn channels_that_matter_are_kept() {
    // Channel 0 is the first input bit and decides; the others are noise of the other bits that the head
    // hardly hears.
    let mut random = Random::new(21);
    let mut first = random.signs(&[6, 7]);
    (0..6).for_each(|i| first.data[7 * i] = 1.0);
    let mut first_norm = norms(&mut random, 7);
    first_norm[0] = [1.0, 0.0, 2.5]; // a majority
    let mut head = random.signs(&[7, 2]);
    (head.data[0], head.data[1]) = (1.0, -1.0);
    for channel in 1..7 {
        head.data[2 * channel + 1] = head.data[2 * channel];
    }
    let document = sequential(&[
        input(&[6]),
        dense("a", true, first, None),
        norm("na", &first_norm),
        dense("b", false, head, None),
        norm("nb", &[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    ]);
    let q = all_inputs(6);
    let labels = q.iter().map(|q| usize::from(q.iter().sum::<i64>() < 3)).collect();
    let settings = Settings { floor: Some(1.0), seed: 2, samples: 64 };
    let (trimmed, report) =
        trim::run(document, &bits(), Samples { q, labels }, &settings, &mut |_| {}).unwrap();
    assert_eq!(report.layers[0].after, 1, "{}", report.text());
    assert_eq!((report.after.ranking, report.after.verification), (1.0, 1.0));
    let model = Model::new(trimmed, &bits()).unwrap();
    let kernel = model.document.array(&model.places.with_roles("a", &["kernel"]).unwrap()[0]).unwrap();
    assert_eq!(kernel.data, [1.0; 6]);
}

#[test]
fn what_cannot_be_trimmed_is_named() {
    let document = Document::read(&fixture("conv_groups.h5")).unwrap();
    let error = trim::run(
        document,
        &How::default(),
        Samples::default(),
        &Settings { floor: None, seed: 0, samples: 1 },
        &mut |_| {},
    );
    let Err(TrimError::Nothing { kept }) = error else { panic!("nothing can be trimmed") };
    assert!(kept.iter().any(|k| k.reason.contains("2 groups")), "{kept:?}");
    assert!(kept.iter().any(|k| k.reason.contains("scores")), "{kept:?}");

    let document = sequential(&planted_dense(&mut Random::new(3)));
    let samples = labelled(&document, &bits(), 100, 6);
    let refused = |samples: Samples, floor: f64| {
        let settings = Settings { floor: Some(floor), seed: 4, samples: 100 };
        trim::run(document.clone(), &bits(), samples, &settings, &mut |_| {}).unwrap_err().to_string()
    };
    let mut how = bits();
    how.passes.output = xonn_compile::passes::OutputMode::Scores;
    let settings = Settings { floor: None, seed: 4, samples: 100 };
    let error = trim::run(document.clone(), &how, samples.clone(), &settings, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("trim without --reveal"));
    assert!(refused(samples.clone(), 0.99).contains("below the floor 0.9900"));
    let few = Samples { q: samples.q[..5].to_vec(), labels: samples.labels[..5].to_vec() };
    assert!(refused(few, 0.5).contains("5 samples, expected at least 20"));
}

/// A layer that is called twice keeps its channels, and so does whoever it reads.
#[test]
fn shared_layers_are_kept() {
    let mut random = Random::new(8);
    let mut first_norm = norms(&mut random, 5);
    first_norm[3][2] = 77.0;
    let shared = functional(&[
        (input(&[6]), vec![]),
        (dense("a", true, random.signs(&[6, 5]), None), vec![("in", 0)]),
        (norm("na", &first_norm), vec![("a", 0)]),
        (dense("s", false, random.signs(&[5, 5]), None), vec![("na", 0), ("s", 0)]),
        (dense("h", false, random.signs(&[5, 3]), Some(vec![0.0; 3])), vec![("s", 1)]),
    ]);
    let model = Model::new(shared, &bits()).unwrap();
    let (spaces, kept) = space::find(&model);
    assert_eq!(spaces, []);
    let reasons: Vec<&str> = kept.iter().map(|k| k.reason.as_str()).collect();
    let twice = "layer \"s\" is called 2 times";
    assert_eq!(reasons, [twice, twice, "its channels are the model's scores"]);
}

/// The configuration follows the weights, and says everything else as before.
#[test]
fn only_sizes_change_in_the_configuration() {
    for name in ["tiny_mlp.keras", "keras3_stock.keras", "functional.keras"] {
        let how = How { read: options(), ..How::default() };
        let document = Document::read(&fixture(name)).unwrap();
        let before = document.config.to_string();
        let (after, changes) = exact::run(Model::new(document, &how).unwrap(), &how, &[]).unwrap();
        assert!(!changes.is_empty());
        let after = after.document.config.to_string();
        let digits = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        assert_eq!(digits(&before), digits(&after), "{name}");
        // 16 and 8 channels lost some, so no layer is built for 16 any more.
        assert!(before.contains("\"input_shape\":[null,16]"), "{name}");
        assert!(!after.contains("\"input_shape\":[null,16]") && !after.contains("\"units\":16"), "{name}");
    }
}

fn command(arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(env!("CARGO_BIN_EXE_xonn-compile")).arg("trim").args(arguments).assert()
}

#[test]
fn the_command_refuses_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (model, data) =
        (fixture("tiny_mlp.h5").display().to_string(), fixture("tiny_mlp.npz").display().to_string());
    for (arguments, code, says) in [
        (vec!["--floor", "0.9", "-o", &path("out.h5")], 1, "no array y"),
        (vec!["--floor", "0.9", "-o", &path("out.keras")], 1, "expected \"h5\""),
        (vec!["--floor", "97", "-o", &path("out.h5")], 2, "did you mean 97%?"),
        (vec!["-o", &path("out.h5")], 2, "--floor"),
        (vec!["--floor", "1", "--exact-only", "-o", &path("out.h5")], 2, "cannot be used with"),
    ] {
        let all: Vec<&str> = [model.as_str(), "--data", &data].into_iter().chain(arguments).collect();
        let assert = command(&all).code(code);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(stderr.contains(says), "{all:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}
