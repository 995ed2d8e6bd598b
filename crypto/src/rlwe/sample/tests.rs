use super::*;
use crate::rlwe::ring::Ring;

fn expander(number: u8) -> SeedExpander {
    SeedExpander::new(&core::array::from_fn(|i| number.wrapping_mul(17).wrapping_add(i as u8)))
}

/// Pearson's statistic, less its mean, in its standard deviations.
fn chi_square(counts: &[u64], probabilities: impl Iterator<Item = f64>) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let terms =
        counts.iter().zip(probabilities).map(|(&count, p)| (count as f64 - total * p).powi(2) / (total * p));
    let freedom = counts.len() as f64 - 1.0;
    (terms.sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn the_stream_is_aes_in_counter_mode() {
    // openssl enc -aes-128-ctr -K 000102..0f -iv 0 of zeros: the first and the last 16 of 2048 bytes
    let mut bytes = [0; 2048];
    SeedExpander::new(&core::array::from_fn(|i| i as u8)).fill(&mut bytes);
    assert_eq!(u128::from_be_bytes(bytes[..16].try_into().unwrap()), OPENSSL_FIRST);
    assert_eq!(u128::from_be_bytes(bytes[2032..].try_into().unwrap()), OPENSSL_LAST);
    // however it is taken
    let mut again = SeedExpander::new(&core::array::from_fn(|i| i as u8));
    let mut pieces = Vec::new();
    for len in [1, 7, 1016, 3, 1000, 21] {
        let mut piece = vec![0; len];
        again.fill(&mut piece);
        pieces.extend(piece);
    }
    assert_eq!(pieces, bytes);
}

const OPENSSL_FIRST: u128 = 0xc6a1_3b37_878f_5b82_6f4f_8162_a1c8_d879;
const OPENSSL_LAST: u128 = 0x74f8_fdd7_d673_ce57_8857_4cc0_fbb7_3442;

#[test]
fn samplers_take_bytes_as_the_text_says() {
    for params in Params::ALL {
        let ring = Ring::of(params);
        let (mut sampled, mut plain) = (expander(3), expander(3));
        let mut next = |len: usize| {
            let mut bytes = [0; 8];
            plain.fill(&mut bytes[..len]);
            u64::from_le_bytes(bytes)
        };
        let width = if params.bits() > 32 { 8 } else { 4 };
        let words = core::iter::repeat_with(|| next(width) & (u64::MAX >> (64 - params.bits())));
        let expected: Vec<u64> = words.filter(|&word| word < params.q()).take(params.n()).collect();
        assert!(sampled.uniform(ring).iter().eq(expected), "{params:?}");

        let mut digits = Vec::new();
        while digits.len() < params.n() {
            let byte = next(1);
            if byte < 243 {
                digits.extend(
                    [1, 3, 9, 27, 81].map(|place| [0, 1, params.q() - 1][(byte / place % 3) as usize]),
                );
            }
        }
        digits.truncate(params.n());
        assert!(sampled.ternary(ring).iter().eq(digits), "{params:?}");

        let errors: Vec<u64> = (0..params.n())
            .map(|_| {
                let word = next(8);
                let coins = |from: u32| (0..21).map(|i| word >> (from + i) & 1).sum::<u64>();
                // 21 coins less 21 others turned over
                (coins(0) + params.q() - (21 - coins(21))) % params.q()
            })
            .collect();
        assert!(sampled.binomial(ring).iter().eq(errors), "{params:?}");
    }
}

#[test]
fn uniform_numbers_are_uniform() {
    for params in Params::ALL {
        let mut counts = [0; 256];
        let mut seed = expander(params as u8);
        for _ in 0..60 {
            for number in seed.uniform(Ring::of(params)).iter() {
                counts[(u128::from(number) * 256 / u128::from(params.q())) as usize] += 1;
            }
        }
        let part = |i: u64| {
            let edge = |i: u64| (u128::from(params.q()) * u128::from(i)).div_ceil(256) as f64;
            (edge(i + 1) - edge(i)) / params.q() as f64
        };
        let z = chi_square(&counts, (0..256).map(part));
        assert!(z.abs() < 4.0, "{params:?}: {z}");
    }
}

#[test]
fn keys_are_uniform_among_three_and_neighbours_independent() {
    let ring = Ring::of(Params::N2048Q30);
    let mut seed = expander(9);
    let mut pairs = [0; 9];
    let mut places = [[0; 3]; 5];
    for _ in 0..60 {
        let digits = seed.ternary(ring).signed();
        for pair in digits.chunks_exact(2) {
            pairs[((pair[0] + 1) * 3 + pair[1] + 1) as usize] += 1;
        }
        for (i, digit) in digits.iter().enumerate() {
            places[i % 5][(digit + 1) as usize] += 1;
        }
    }
    let z = chi_square(&pairs, core::iter::repeat(1.0 / 9.0));
    assert!(z.abs() < 4.0, "pairs: {z}");
    for place in places {
        let z = chi_square(&place, core::iter::repeat(1.0 / 3.0));
        assert!(z < 5.0, "{place:?}: {z}");
    }
}

#[test]
fn errors_are_binomial() {
    let ring = Ring::of(Params::N2048Q36);
    let mut seed = expander(5);
    // 42 coins, of which 12 to 30 are ones; fewer or more together
    let mut counts = [0u64; 20];
    let (mut sum, mut squares, mut all) = (0.0, 0.0, 0.0);
    for _ in 0..100 {
        for &error in seed.binomial(ring).signed().iter() {
            assert!(error.abs() <= 21);
            counts[if error.abs() > 9 { 19 } else { (error + 9) as usize }] += 1;
            sum += error as f64;
            squares += (error * error) as f64;
            all += 1.0;
        }
    }
    let binomial =
        |ones: u32| (0..ones).fold(0.5f64.powi(42), |p, i| p * f64::from(42 - i) / f64::from(i + 1));
    let inner: Vec<f64> = (12..=30).map(binomial).collect();
    let outer = 1.0 - inner.iter().sum::<f64>();
    let z = chi_square(&counts, inner.into_iter().chain([outer]));
    assert!(z.abs() < 4.0, "{z}");
    assert!((sum / all).abs() < 5.0 * ERROR_STD / f64::sqrt(all), "mean {}", sum / all);
    let std = f64::sqrt(squares / all);
    assert!((std / ERROR_STD - 1.0).abs() < 0.01, "{std}");
}

/// Our own numbers: what another implementation of these samplers has to give.
#[test]
fn vectors() {
    use sha2::Sha256;
    let text = include_str!("vectors.txt");
    let mut found = String::new();
    for params in Params::ALL {
        let ring = Ring::of(params);
        let mut seed = SeedExpander::new(b"rlwe test vector");
        let all = [
            ("uniform", seed.uniform(ring)),
            ("ternary", seed.ternary(ring)),
            ("binomial", seed.binomial(ring)),
            ("public B", public_polynomial(params, b"session", Role::B)),
            ("public C", public_polynomial(params, b"session", Role::C)),
        ];
        for (name, polynomial) in all {
            let mut bytes = Vec::new();
            polynomial.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
            let digest: String =
                Sha256::digest(&bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            let first: Vec<String> = polynomial.iter().take(4).map(|number| number.to_string()).collect();
            found += &format!("{} {} {name}: {} {digest}\n", params.n(), params.bits(), first.join(" "));
        }
    }
    let kept: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert_eq!(found, kept);
}

#[test]
fn public_polynomials_differ_by_all_that_names_them() {
    let named =
        |params, session: &[u8], role| public_polynomial(params, session, role).iter().collect::<Vec<_>>();
    let first = named(Params::N1024Q24, b"one", Role::B);
    assert_eq!(first, named(Params::N1024Q24, b"one", Role::B));
    assert_ne!(first, named(Params::N1024Q24, b"two", Role::B));
    assert_ne!(first, named(Params::N1024Q24, b"one", Role::C));
    // The same words would come for another q if the hash did not know it.
    let narrow = named(Params::N1024Q21, b"one", Role::B);
    assert!(first.iter().zip(&narrow).filter(|(a, b)| **a & 0x1f_ffff == **b).count() < 10);
}
