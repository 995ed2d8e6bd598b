//! The numbers against the matrices, and the matrices against the equations of the paper; all cases.

use super::*;

/// Rows: for each pair of colours 00, 01, 10, 11 the left and the right half. Columns: A, B, delta, left and right each.
type Matrix<const COLUMNS: usize> = [[u8; COLUMNS]; 8];

/// The cokernel of the gate space, section 5.1.
const K: [[u8; 8]; 3] = [[1, 0, 1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 0, 1, 1]];

/// Columns: the output's halves, G0, G1, G2.
const V: Matrix<5> = [
    [1, 0, 0, 0, 0],
    [0, 1, 0, 0, 0],
    [1, 0, 0, 0, 1],
    [0, 1, 0, 1, 1],
    [1, 0, 1, 0, 1],
    [0, 1, 0, 0, 1],
    [1, 0, 1, 0, 0],
    [0, 1, 0, 1, 0],
];

/// Columns: the hashes of A0, A1, B0, B1, A0 ^ B0, A0 ^ B1.
const M: Matrix<6> = [
    [1, 0, 0, 0, 1, 0],
    [0, 0, 1, 0, 1, 0],
    [1, 0, 0, 0, 0, 1],
    [0, 0, 0, 1, 0, 1],
    [0, 1, 0, 0, 0, 1],
    [0, 0, 1, 0, 0, 1],
    [0, 1, 0, 0, 1, 0],
    [0, 0, 0, 1, 1, 0],
];

/// What an evaluator may apply to `[A; B]`, figure 3.
const S: [[[u8; 4]; 2]; 2] = [[[1, 1, 1, 0], [1, 0, 0, 1]], [[1, 0, 0, 1], [0, 1, 1, 1]]];

/// Coefficients of S1 and S2 for each pair of colours, figure 3.
const RA: [[u8; 2]; 4] = [[0, 0], [1, 1], [0, 1], [1, 0]];
const RB: [[u8; 2]; 4] = [[0, 0], [1, 0], [1, 1], [0, 1]];

/// For gates of odd parity, figure 4: for each pair of colours what is applied to `[A; B]`.
const RP: [[[u8; 4]; 2]; 4] =
    [[[0, 0, 1, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0; 4]], [[0; 4], [0, 1, 0, 0]], [[0; 4], [0; 4]]];

fn product<const R: usize, const N: usize, const C: usize>(
    a: &[[u8; N]; R],
    b: &[[u8; C]; N],
) -> [[u8; C]; R] {
    from_fn(|i| from_fn(|j| (0..N).fold(0, |sum, k| sum ^ a[i][k] & b[k][j])))
}

/// All of `0..2^N` as bits.
fn all<const N: usize>() -> impl Iterator<Item = [u8; N]> {
    (0..1u32 << N).map(|n| from_fn(|i| (n >> i & 1) as u8))
}

/// The coefficients of an evaluator with colours `i`, `j`, from the matrices.
fn coefficients(ij: usize, [a, b, r1, r2]: [u8; 4]) -> [u8; 2] {
    from_fn(|n| [r1, r2][n] ^ a & RA[ij][n] ^ b & RB[ij][n])
}

/// R of the paper, on `[A0; B0; delta]`: what is applied to A_i and B_j, with A_i = A0 ^ i delta taken apart.
fn control_matrix(secret: [u8; 4]) -> Matrix<6> {
    let mut matrix = [[0; 6]; 8];
    for ij in 0..4 {
        let (i, j, r) = (ij as u8 >> 1, ij as u8 & 1, coefficients(ij, secret));
        for half in 0..2 {
            let row = &mut matrix[2 * ij + half];
            for column in 0..4 {
                row[column] = RP[ij][half][column] ^ r[0] & S[0][half][column] ^ r[1] & S[1][half][column];
            }
            for half in 0..2 {
                row[4 + half] = i & row[half] ^ j & row[2 + half];
            }
        }
    }
    matrix
}

/// `[0 0 t]` for an AND whose label for 1 has colours a and b.
fn truth([a, b]: [u8; 2]) -> Matrix<6> {
    let mut matrix = [[0; 6]; 8];
    let at = usize::from(2 * a + b);
    (matrix[2 * at][4], matrix[2 * at + 1][5]) = (1, 1);
    matrix
}

#[test]
fn the_gate_space_is_as_in_the_paper() {
    assert_eq!(product(&K, &V), [[0; 5]; 3]);
    assert_eq!(product(&K, &M), [[0; 6]; 3]);
    // V has rank 5: only 0 goes to 0.
    assert_eq!(all::<5>().filter(|x| product(&V, &x.map(|x| [x])) == [[0]; 8]).count(), 1);
}

/// Equation (5): for each secret and each choice of the dice, the garbling equation has a solution.
#[test]
fn every_secret_and_every_roll_can_be_garbled() {
    for secret @ [a, b, ..] in all::<4>() {
        assert_eq!(product(&K, &control_matrix(secret)), product(&K, &truth([a, b])), "{secret:?}");
        // The control bits themselves are in the gate space too: so five bits z encrypt all eight.
        let bits: [[u8; 1]; 8] = from_fn(|row| [coefficients(row / 2, secret)[row % 2]]);
        assert_eq!(product(&K, &bits), [[0]; 3], "{secret:?}");
    }
}

/// What an evaluator decrypts says nothing: for each pair of colours each value comes once over the four rolls, whatever
/// the secret is.
#[test]
fn control_bits_are_uniform_whatever_the_secret() {
    for ij in 0..4 {
        for [a, b] in all::<2>() {
            let mut seen: Vec<[u8; 2]> =
                all::<2>().map(|[r1, r2]| coefficients(ij, [a, b, r1, r2])).collect();
            seen.sort_unstable();
            assert_eq!(seen, [[0, 0], [0, 1], [1, 0], [1, 1]], "colours {ij:02b}, secret {a}{b}");
        }
    }
}

/// An element `n0 + n1 w^2` as a map of halves.
fn times(n: [u8; 2], x: u128) -> u128 {
    when(n[0] == 1, x) ^ when(n[1] == 1, w2(x))
}

/// `rows` applied to halves.
fn applied(rows: [[u8; 4]; 2], halves: [u64; 4]) -> u128 {
    let [left, right] =
        rows.map(|row| row.iter().zip(halves).fold(0, |sum, (&bit, half)| sum ^ (half * u64::from(bit))));
    u128::from(left) | u128::from(right) << 64
}

#[test]
fn matrices_are_numbers_of_the_field_of_four() {
    let x = 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978_u128;
    assert_eq!(x ^ w(x) ^ w2(x), 0);
    assert_eq!((w(w(x)), w(w2(x))), (w2(x), x));
    let (a, b) = (x, x.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let halves = [a as u64, (a >> 64) as u64, b as u64, (b >> 64) as u64];
    let u = w(a) ^ b;
    assert_eq!(applied(S[0], halves), u);
    assert_eq!(applied(S[1], halves), w2(u));
    for secret @ [at_a, at_b, r1, r2] in all::<4>() {
        for ij in 0..4 {
            let (i, j) = (ij >> 1 == 1, ij & 1 == 1);
            // rho + tau (w^2 i + w j)
            let tau = |x| times([at_a, at_b], x);
            let number = times([r1, r2], x) ^ when(i, tau(w2(x))) ^ when(j, tau(w(x)));
            assert_eq!(number, times(coefficients(ij, secret), x), "secret {secret:?}, colours {ij:02b}");
        }
    }
}

/// Each gate garbled with each secret and roll gives the right label for each pair of inputs, and what is garbled is what
/// the matrices say.
#[test]
fn all_gates_on_all_inputs() {
    let offsets = from_fn(|n| Block::from(0x1234_5678_9abc_u128 << (3 * n)));
    let hash = Sliced { start: Block::from(3), offsets };
    for n in 0..64u64 {
        let label = |m: u64| {
            let mut label = [Block::from(u128::from(m))];
            Cipher::new(Block::from(99), n).encrypt(&mut label);
            u128::from(label[0])
        };
        let key = Cipher::new(hash.start, n);
        let (delta, a, b) = (label(0) | 1, label(1), label(2));
        for dice in [[false, false], [false, true], [true, false], [true, true]] {
            let (zero, pair, slice, z) = hash.garble_one(delta, [a, b], (&key, n as usize % LANES), dice);
            for [x, y] in all::<2>() {
                let active = [a ^ when(x == 1, delta), b ^ when(y == 1, delta)];
                let out = hash.evaluate_one(active, (&key, n as usize % LANES), pair, slice, z);
                assert_eq!(out, zero ^ when(x & y == 1, delta), "gate {n}, {x} and {y}");
            }
            check_equation(&hash, delta, [a, b], (&key, n as usize % LANES), dice, (zero, pair, slice));
        }
    }
}

/// `V [C; G] = M H ^ (R ^ [0 0 t]) [A0; B0; delta]`, equation (4), row by row.
fn check_equation(
    hash: &Sliced,
    delta: u128,
    labels: [u128; 2],
    place: (&Cipher, usize),
    [r1, r2]: [bool; 2],
    (zero, pair, slice): (u128, u128, u64),
) {
    let at = labels.map(|x| u8::from(x & 1 == 0));
    let [a, b] = labels.map(|x| x ^ when(x & 1 == 1, delta));
    let sum =
        |row: &[u8], of: &[u64]| row.iter().zip(of).fold(0, |sum, (&bit, x)| sum ^ (x * u64::from(bit)));
    let halves = |x: u128| [x as u64, (x >> 64) as u64];
    let (c, g, d) = (halves(zero), halves(pair), halves(delta));
    let hashes = hash.hashes(place, [a, b, a ^ b].map(|x| [x, x ^ delta])).as_flattened().to_vec();
    let hashes: Vec<u64> = hashes.into_iter().map(|h| h as u64).collect();
    let (r, t) = (control_matrix([at[0], at[1], r1.into(), r2.into()]), truth(at));
    let label = [halves(a), halves(b), d].concat();
    for row in 0..8 {
        let left = sum(&V[row], &[c[0], c[1], g[0], g[1], slice]);
        let right = sum(&M[row], &hashes) ^ sum(&r[row], &label) ^ sum(&t[row], &label);
        assert_eq!(left, right, "row {row}");
    }
}

/// What the security of the cut hash needs of its linear map: added to any sum of the offset's halves, its slice with the
/// mask of the control bit still depends on 65 bits of the offset. Half gates' map fails here.
#[test]
fn a_slice_of_the_linear_map_never_cancels() {
    let rank = |map: &dyn Fn(u128) -> u128| {
        let mut rows: Vec<u128> = (0..128).map(|bit| map(1 << bit)).collect();
        let mut rank = 0;
        for bit in 0..128 {
            if let Some(pivot) = (rank..128).find(|&i| rows[i] >> bit & 1 == 1) {
                rows.swap(rank, pivot);
                let pivot = rows[rank];
                rows[rank + 1..].iter_mut().filter(|row| **row >> bit & 1 == 1).for_each(|row| *row ^= pivot);
                rank += 1;
            }
        }
        rank
    };
    let cut = |x: u128| x & (LEFT | 1 << 127);
    let mut cancelled = false;
    for sum in 0..4 {
        let halves = |x: u128| when(sum & 1 == 1, x & LEFT) ^ when(sum & 2 == 2, x >> 64);
        assert_eq!(rank(&|x| cut(double(x)) ^ halves(x)), 65, "sum {sum}");
        cancelled |= rank(&|x| cut(u128::from(super::super::super::tccr::sigma(x.into()))) ^ halves(x)) < 64;
    }
    assert!(cancelled, "the test sees the weakness that it is there for");
    // As maps of whole labels: no combination of halves, which is a 2 x 2 matrix, has the map's eigenvalues.
    for [ll, lr, rl, rr] in all::<4>() {
        let halves = |x: u128| {
            let (l, r) = (x & LEFT, x >> 64);
            let part = |a: u8, b: u8| when(a == 1, l) ^ when(b == 1, r);
            part(ll, lr) | part(rl, rr) << 64
        };
        assert_eq!(rank(&|x| double(x) ^ halves(x)), 128);
    }
}
