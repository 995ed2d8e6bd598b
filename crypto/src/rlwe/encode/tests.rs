use proptest::prelude::*;

use super::*;

/// The convolution as it is defined, on signed numbers.
pub(crate) fn plain(layer: &Convolution, x: &[i64], w: &[i64]) -> Vec<i64> {
    let [oh, ow] = layer.output().unwrap();
    let Convolution { channels, size: [h, width], kernel: [kh, kw], padding, strides, filters, groups } =
        *layer;
    let of_a_group = channels / groups;
    let mut all = Vec::new();
    for m in 0..filters {
        let group = m / (filters / groups);
        for i in 0..oh {
            for j in 0..ow {
                let mut sum = 0;
                for c in 0..of_a_group {
                    for a in 0..kh {
                        for b in 0..kw {
                            let y = (i * strides[0] + a) as i64 - padding[0][0] as i64;
                            let z = (j * strides[1] + b) as i64 - padding[1][0] as i64;
                            if (0..h as i64).contains(&y) && (0..width as i64).contains(&z) {
                                let at = ((group * of_a_group + c) * h + y as usize) * width + z as usize;
                                sum += x[at] * w[((m * of_a_group + c) * kh + a) * kw + b];
                            }
                        }
                    }
                }
                all.push(sum);
            }
        }
    }
    all
}

/// All outputs by products of polynomials modulo `X^n + 1` over the integers.
fn by_polynomials(layout: &Layout, x: &[i64], w: &[i64]) -> Vec<i64> {
    let unsigned: Vec<u64> = x.iter().map(|&x| x as u64).collect();
    let inputs = layout.encode_inputs(&unsigned).unwrap();
    let weights: Vec<_> = (0..layout.weights()).map(|i| layout.encode_weights(w, i).unwrap()).collect();
    let n = layout.n();
    let mut outputs = vec![None; layout.output_len()];
    for output in 0..layout.outputs() {
        let mut sum = vec![0i64; n];
        for (input, weight) in layout.reads(output) {
            for (i, &w) in weights[weight].iter().enumerate().filter(|(_, w)| **w != 0) {
                for (j, &x) in inputs[input].iter().enumerate().filter(|(_, x)| **x != 0) {
                    let product = w * x as i64;
                    sum[(i + j) % n] += if i + j < n { product } else { -product };
                }
            }
        }
        let mut before = None;
        for (at, element) in layout.positions(output) {
            assert!(before < Some(at), "coefficients rise");
            before = Some(at);
            assert_eq!(outputs[element].replace(sum[at]), None, "output {element} twice");
        }
    }
    outputs.into_iter().map(|output| output.expect("every output is somewhere")).collect()
}

fn numbers(count: usize, seed: u64) -> Vec<i64> {
    use rand::{RngExt, SeedableRng};
    let mut rng = chacha20::ChaCha12Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-9..10)).collect()
}

fn layers() -> impl Strategy<Value = Convolution> {
    let axis = || (1usize..9, 1usize..5, 0usize..3, 0usize..3, 1usize..4);
    (axis(), axis(), 1usize..4, 1usize..4, 1usize..4).prop_map(|(y, x, groups, channels, filters)| {
        Convolution {
            channels: groups * channels,
            size: [y.0, x.0],
            kernel: [y.1.min(y.0 + y.2 + y.3), x.1.min(x.0 + x.2 + x.3)],
            padding: [[y.2, y.3], [x.2, x.3]],
            strides: [y.4.min(y.0 + y.2 + y.3), x.4.min(x.0 + x.2 + x.3)],
            filters: groups * filters,
            groups,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn convolutions_are_the_plain_ones(layer in layers(), pick in any::<[usize; 4]>(), seed in any::<u64>()) {
        let [oh, ow] = layer.output().unwrap();
        let phases = layer.channels / layer.groups * layer.strides[0] * layer.strides[1];
        let packing = Packing::Tiles {
            height: pick[0] % oh + 1,
            width: pick[1] % ow + 1,
            channels: pick[2] % phases + 1,
            filters: pick[3] % (layer.filters / layer.groups) + 1,
        };
        // The least degree that takes it: what wraps around comes as near to the outputs as it can.
        let needed = match Layout::new(Geometry::Convolution(layer), packing, 1) {
            Err(EncodeError::DoesNotFit { needed, .. }) => needed,
            other => { prop_assert!(other.is_ok()); 1 }
        };
        if needed > 1 {
            let small = Layout::new(Geometry::Convolution(layer), packing, needed - 1);
            prop_assert_eq!(small, Err(EncodeError::DoesNotFit { needed, n: needed - 1 }));
        }
        let layout = Layout::new(Geometry::Convolution(layer), packing, needed).unwrap();
        let (x, w) = (numbers(layout.input_len(), seed), numbers(layout.weight_len(), !seed));
        prop_assert_eq!(by_polynomials(&layout, &x, &w), plain(&layer, &x, &w));
    }

    #[test]
    fn dense_layers_are_the_plain_ones(
        inputs in 1usize..40, outputs in 1usize..20, pick in any::<[usize; 2]>(), seed in any::<u64>(),
    ) {
        let (iw, rows) = (pick[0] % inputs + 1, pick[1] % outputs + 1);
        let packing = Packing::Dense { inputs: iw, rows };
        let layout = Layout::new(Geometry::dense(inputs, outputs), packing, iw * rows).unwrap();
        let (x, w) = (numbers(inputs, seed), numbers(inputs * outputs, !seed));
        let row = |m: usize| (0..inputs).map(|i| w[m * inputs + i] * x[i]).sum::<i64>();
        prop_assert_eq!(by_polynomials(&layout, &x, &w), (0..outputs).map(row).collect::<Vec<_>>());
    }

    #[test]
    fn a_hostile_geometry_is_refused_and_not_built(
        all in any::<[usize; 14]>(), small in 0usize..14,
    ) {
        let at = |i: usize| if i == small { all[i] % 7 } else { all[i] >> (all[i] % 64) };
        let layer = Convolution {
            channels: at(0),
            size: [at(1), at(2)],
            kernel: [at(3), at(4)],
            padding: [[at(5), at(6)], [at(7), at(8)]],
            strides: [at(9), at(10)],
            filters: at(11),
            groups: at(12),
        };
        let packing = Packing::Tiles { height: 1, width: 1, channels: 1, filters: 1 };
        // It may be possible by chance; what must not happen is a panic.
        let _ = Layout::new(Geometry::Convolution(layer), packing, 1024);
        let packing = Packing::Dense { inputs: at(2), rows: at(3) };
        let _ = Layout::new(Geometry::dense(at(0), at(1)), packing, 1024);
    }
}

#[test]
fn a_layer_of_the_tables_has_its_numbers() {
    // 64 -> 64, 3x3, same, 32x32: 128 in, 128 out, 8192 products, 4096 different weight polynomials
    let layer = Convolution {
        channels: 64,
        size: [32, 32],
        kernel: [3, 3],
        padding: [[1, 1], [1, 1]],
        strides: [1, 1],
        filters: 64,
        groups: 1,
    };
    let packing = Packing::Tiles { height: 16, width: 32, channels: 1, filters: 1 };
    let layout = Layout::new(Geometry::Convolution(layer), packing, 1024).unwrap();
    let products: usize = (0..layout.outputs()).map(|output| layout.reads(output).len()).sum();
    assert_eq!((layout.inputs(), layout.outputs(), products, layout.weights()), (128, 128, 8192, 4096));
    let squares = layout.square_sums(&vec![-1; layout.weight_len()]).unwrap();
    assert!(squares.iter().all(|&sum| sum == 576.0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let dense = |iw, rows, n| Layout::new(Geometry::dense(10, 4), Packing::Dense { inputs: iw, rows }, n);
    assert_eq!(dense(5, 4, 19), Err(EncodeError::DoesNotFit { needed: 20, n: 19 }));
    let range = EncodeError::Range { what: "inputs in a polynomial", actual: 11, least: 1, most: 10 };
    assert_eq!(dense(11, 1, 1024), Err(range));
    let tiles = Packing::Tiles { height: 1, width: 1, channels: 1, filters: 1 };
    assert_eq!(Layout::new(Geometry::dense(10, 4), tiles, 1024), Err(EncodeError::Kind));
    let layout = dense(5, 4, 20).unwrap();
    let wrong = EncodeError::Length { what: "inputs", expected: 10, actual: 9 };
    assert_eq!(layout.encode_inputs(&[0; 9]), Err(wrong));
    let wrong = EncodeError::Length { what: "weights", expected: 40, actual: 41 };
    assert_eq!(layout.encode_weights(&[0; 41], 0), Err(wrong));
}
