//! Lattice encryption in each ring of the menu: transforms, and both hosts' parts of a linear layer.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{MeasureError, RUNS, Rate, Roles, Row, rate};
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing};
use xonn_crypto::rlwe::ring::{Coefficients, Ring, Sum, Values};
use xonn_crypto::rlwe::sample::SeedExpander;
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};

/// Polynomials that are transformed one after the other, or encrypted.
const POLYNOMIALS: usize = 64;

/// Outputs of a layer, whose sums a server takes together.
const OUTPUTS: usize = 4;

/// Inputs in one polynomial of masks.
const INPUTS: usize = 16;

/// Bits of a mask.
const BITS: u32 = 11;

/// Shortest run.
const SHORTEST: Duration = Duration::from_millis(4);

/// The rings of the menu, on one thread.
///
/// # Errors
/// Never: layers and roundings are right for every ring, which a test checks.
pub fn measure_lattice() -> Result<Vec<Row>, MeasureError> {
    let mut rows = Vec::new();
    for params in Params::ALL {
        rows.extend(measure_transforms(params));
        rows.push(measure_products(params));
        rows.extend(measure_roles(params)?);
    }
    Ok(rows)
}

/// A row: rates of the server and of the client.
fn row(params: Params, what: &str, unit: &'static str, [server, client]: [Option<Rate>; 2]) -> Row {
    Row {
        what: format!("n {}, q {}: {what}", params.n(), params.bits()),
        backend: Ring::of(params).instructions().into(),
        scheme: None,
        roles: Roles::Shares,
        threads: 1,
        unit,
        garble: server,
        evaluate: client,
        both_ns: None,
        bytes: None,
    }
    .with_both()
}

/// The rate of what makes `count` things at a go.
fn rate_of<R>(count: usize, mut go: impl FnMut() -> R) -> Rate {
    let begin = Instant::now();
    black_box(go());
    let times = (SHORTEST.as_secs_f64() / begin.elapsed().as_secs_f64().max(1e-9)).ceil().clamp(1.0, 1e6);
    let runs: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..times as usize {
                black_box(go());
            }
            begin.elapsed()
        })
        .collect();
    rate(count as f64 * times, runs)
}

/// `count` polynomials whose coefficients look random.
fn polynomials(params: Params, count: usize) -> Vec<Coefficients> {
    let mut expander = SeedExpander::new(&[7; 16]);
    (0..count).map(|_| expander.uniform(Ring::of(params))).collect()
}

/// The transform and its inverse. Both hosts take them: the rate is in the first column.
fn measure_transforms(params: Params) -> [Row; 2] {
    const TIMES: usize = 8;
    let mut all = polynomials(params, POLYNOMIALS);
    let [mut forward, mut inverse] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let [mut there, mut back] = [Duration::ZERO; 2];
        for _ in 0..TIMES {
            let begin = Instant::now();
            let values: Vec<Values> = all.into_iter().map(Coefficients::into_values).collect();
            there += begin.elapsed();
            let begin = Instant::now();
            all = values.into_iter().map(Values::into_coefficients).collect();
            back += begin.elapsed();
        }
        forward.push(there);
        inverse.push(back);
    }
    black_box(all);
    let count = (TIMES * POLYNOMIALS) as f64;
    [("NTT", forward), ("inverse NTT", inverse)]
        .map(|(what, runs)| row(params, what, "poly", [Some(rate(count, runs)), None]))
}

/// A server's products of ciphertexts by weights, added up as a layer's are.
fn measure_products(params: Params) -> Row {
    let values = |count| polynomials(params, count).into_iter().map(Coefficients::into_values);
    let masks: Vec<Values> = values(2 * POLYNOMIALS).collect();
    let weights: Vec<Values> = values(OUTPUTS * POLYNOMIALS).collect();
    let (ciphertexts, _) = masks.as_chunks::<2>();
    let pairs: Vec<Vec<(&Values, &Values)>> = weights
        .chunks(POLYNOMIALS)
        .flat_map(|weights| {
            [0, 1].map(|half| ciphertexts.iter().map(|both| &both[half]).zip(weights).collect())
        })
        .collect();
    let mut sums: Vec<Sum> = pairs.iter().map(|_| Ring::of(params).sum()).collect();
    let rate = rate_of(OUTPUTS * POLYNOMIALS, || {
        Sum::multiply_add_each(&mut sums.iter_mut().collect::<Vec<_>>(), &pairs);
    });
    row(params, "product", "product", [Some(rate), None])
}

/// Masks, which a client encrypts and a server reads, and responses with one product each, which a server
/// rounds and packs and a client decrypts: polynomials a second, bytes of one.
fn measure_roles(params: Params) -> Result<[Row; 2], MeasureError> {
    let rng = &mut rand::rng();
    let rows = params.n() / INPUTS;
    let packing = Packing::Dense { inputs: INPUTS, rows };
    let (client, key) = ClientKey::generate(params, b"bench", Role::B, rng);
    let server = ServerKey::receive(params, b"bench", Role::B, &key)?;

    // Many polynomials of masks, of a layer with one output polynomial.
    let wide = Layout::new(Geometry::dense(INPUTS * POLYNOMIALS, rows), packing, params.n())?;
    let masks = wide.encode_inputs(&vec![1234; wide.input_len()])?;
    let message = client.encrypt(BITS, &masks, rng)?;
    let read = rate_of(POLYNOMIALS, || server.masks(&wide, &message));
    let encrypt = rate_of(POLYNOMIALS, || client.encrypt(BITS, &masks, rng));
    let mut encryption = row(params, "encryption", "poly", [Some(read), Some(encrypt)]);
    encryption.bytes = Some(message.len() as f64 / POLYNOMIALS as f64);

    // Many responses, of a layer with one polynomial of masks.
    let tall = Layout::new(Geometry::dense(INPUTS, rows * POLYNOMIALS), packing, params.n())?;
    let rounding = Rounding::new(params, BITS, 1, 8, 3)?;
    let weights: Vec<i64> = (0..tall.weight_len()).map(|i| if i % 3 == 0 { 1 } else { -1 }).collect();
    let weights = Weights::new(params, &tall, &weights)?;
    let masks = client.encrypt(BITS, &tall.encode_inputs(&[1234; INPUTS])?, rng)?;
    let masks = server.masks(&tall, &masks)?;
    let (answer, _) = server.respond(&tall, &weights, &rounding, &masks, rng)?;
    let respond = rate_of(POLYNOMIALS, || server.respond(&tall, &weights, &rounding, &masks, rng));
    let decrypt = rate_of(POLYNOMIALS, || client.decrypt(&tall, &rounding, &answer));
    let mut response = row(params, "response", "poly", [Some(respond), Some(decrypt)]);
    response.bytes = Some(answer.len() as f64 / POLYNOMIALS as f64);
    Ok([encryption, response])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_of_the_menu_has_its_rows_and_bytes() {
        let rows = measure_lattice().expect("layers are right for every ring");
        assert_eq!(rows.len(), 5 * Params::ALL.len());
        for (params, rows) in Params::ALL.into_iter().zip(rows.chunks(5)) {
            let name = format!("n {}, q {}: ", params.n(), params.bits());
            let whats: Vec<_> = rows.iter().map(|row| row.what.strip_prefix(&name)).collect();
            let expected = ["NTT", "inverse NTT", "product", "encryption", "response"];
            assert_eq!(whats, expected.map(Some));
            let whole = (params.n() * params.bits() as usize / 8) as f64;
            // A seed for all of them.
            assert_eq!(rows[3].bytes, Some(whole + 16.0 / POLYNOMIALS as f64), "{params:?}");
            // 11 bits and one of fraction, with 8 more for all coefficients and 3 for the outputs.
            let parts = params.n() * (12 + 8) + params.n() / INPUTS * (12 + 3);
            assert_eq!(rows[4].bytes, Some(parts as f64 / 8.0), "{params:?}");
            assert!(rows.iter().all(|row| row.garble.is_some_and(|rate| rate.median > 0.0)), "{params:?}");
        }
    }
}
