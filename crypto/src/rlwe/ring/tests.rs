use proptest::prelude::*;

use super::*;

/// The product modulo `X^n + 1` and q, place by place.
fn schoolbook(a: &[u64], b: &[u64], q: u64) -> Vec<u64> {
    let n = a.len();
    // b backwards, then its negative backwards: each result is an inner product with a window of it.
    let turned: Vec<u64> = b.iter().rev().copied().chain(b.iter().rev().map(|&x| (q - x) % q)).collect();
    (0..n)
        .map(|k| {
            // sum over i <= k of a_i b_(k - i), less the sum over i > k of a_i b_(n + k - i)
            let sum = (0..n)
                .fold(0u128, |sum, i| sum + u128::from(a[i]) * u128::from(turned[(n - 1 + i - k) % (2 * n)]));
            (sum % u128::from(q)) as u64
        })
        .collect()
}

/// Rings of every row at every level of instructions of this processor, and those for exact integers.
fn rings() -> Vec<&'static Ring> {
    let mut levels = vec![Level::baseline()];
    #[cfg(target_arch = "x86_64")]
    {
        levels.extend(Level::new().as_sse4_2().map(fearless_simd::Simd::level));
        levels.extend(Level::new().as_avx2().map(fearless_simd::Simd::level));
    }
    levels.push(Level::new());
    let rows = Params::ALL.map(|row| (row.n(), row.q()));
    let all = rows.into_iter().chain([1024, 2048].map(|n| (n, Params::N2048Q30.q())));
    all.flat_map(|(n, q)| {
        levels.iter().map(move |&level| &*Box::leak(Box::new(Ring::new("tested ring", n, q, level))))
    })
    .collect()
}

fn polynomial(ring: &Ring, seed: u64, extreme: u32) -> Vec<u64> {
    use rand::{RngExt, SeedableRng};
    let mut rng = chacha20::ChaCha12Rng::seed_from_u64(seed);
    (0..ring.n)
        .map(|_| match rng.random_range(0..4u32) < extreme {
            true => ring.q - 1 - rng.random_range(0..2),
            false => rng.random_range(0..ring.q),
        })
        .collect()
}

#[test]
fn the_schoolbook_product_is_that_of_a_small_example() {
    // (1 + 2X) (3 + 4X) = 3 + 10 X + 8 X^2 = -5 + 10 X modulo X^2 + 1
    assert_eq!(schoolbook(&[1, 2], &[3, 4], 97), [92, 10]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn products_are_the_schoolbook_ones(seed in any::<u64>(), extreme in 0u32..5) {
        let mut known = std::collections::HashMap::new();
        for ring in rings() {
            let (a, b) = (polynomial(ring, seed, extreme), polynomial(ring, !seed, extreme));
            let expected = known.entry((ring.n, ring.q)).or_insert_with(|| schoolbook(&a, &b, ring.q));
            let values = [&a, &b].map(|numbers| ring.polynomial(numbers).into_values());
            let product: Vec<u64> = values[0].multiply(&values[1]).into_coefficients().iter().collect();
            prop_assert!(product == *expected, "{ring:?} at {:?}", ring.level);
            let back: Vec<u64> = values[0].clone().into_coefficients().iter().collect();
            prop_assert!(back == a, "{ring:?} at {:?}", ring.level);
        }
    }

    #[test]
    fn sums_are_those_of_numbers(seed in any::<u64>(), extreme in 0u32..5) {
        for ring in rings() {
            let (a, b) = (polynomial(ring, seed, extreme), polynomial(ring, !seed, extreme));
            let q = ring.q;
            let [mut sum, mut difference] = [(); 2].map(|()| ring.polynomial(&a));
            sum.add(&ring.polynomial(&b));
            difference.sub(&ring.polynomial(&b));
            let pairs = || a.iter().zip(&b);
            prop_assert!(sum.iter().eq(pairs().map(|(a, b)| (a + b) % q)), "{ring:?}");
            prop_assert!(difference.iter().eq(pairs().map(|(a, b)| (a + q - b) % q)), "{ring:?}");
            // the transform is linear
            let mut values = ring.polynomial(&a).into_values();
            values.sub(&ring.polynomial(&b).into_values());
            values.add(&ring.polynomial(&b).into_values());
            prop_assert!(values.into_coefficients().iter().eq(a.iter().copied()), "{ring:?}");
        }
    }
}

#[test]
fn a_sum_of_more_products_than_there_is_room_for_is_settled_on_the_way() {
    for ring in rings() {
        let all = ring.polynomial(&vec![ring.q - 1; ring.n]);
        // Values that are as large as they can be, not those of large coefficients.
        let values = Values { ring, words: all.words.clone() };
        for (room, left) in [(None, None), (Some(5), Some(2)), (Some(4), Some(0)), (Some(1), Some(1))] {
            let mut sum = ring.sum();
            sum.room = room.unwrap_or(sum.room);
            sum.left = left.unwrap_or(sum.left);
            for _ in 0..20 {
                sum.multiply_add(&values, &values);
            }
            sum.multiply_add_all(&vec![(&values, &values); 51]);
            // (q - 1)^2 is 1
            let wrong = sum.into_values().words.iter().position(|x| x != 71);
            assert_eq!(wrong, None, "{ring:?} at {:?}", ring.level);
        }
    }
}

#[test]
fn signed_numbers_are_lifted_and_come_back() {
    for ring in rings() {
        let numbers = [0, 1, -1, 127, -128, ring.q as i64 / 2, -(ring.q as i64 / 2)];
        let lifted = ring.lift(&numbers);
        assert_eq!(lifted.signed()[..7], numbers);
        assert!(lifted.signed()[7..].iter().all(|&x| x == 0));
        assert_eq!((lifted.get(2), lifted.iter().nth(3)), (ring.q - 1, Some(127)));
    }
}

#[test]
#[should_panic(expected = "polynomials of one ring")]
fn polynomials_of_two_rings_do_not_mix() {
    let mut a = Ring::of(Params::N1024Q21).polynomial(&[1]);
    a.add(&Ring::of(Params::N1024Q24).polynomial(&[1]));
}

#[test]
fn debug_shows_no_coefficient() {
    let polynomial = Ring::of(Params::N1024Q21).polynomial(&[1234567]);
    let shown = [format!("{polynomial:?}"), format!("{:?}", polynomial.into_values())];
    assert!(shown.iter().all(|text| text.contains("2056193") && !text.contains("1234567")), "{shown:?}");
}
