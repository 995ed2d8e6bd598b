//! Deterministic mutations of bytes, JSON and numbers.

use serde_json::{Map, Value, json};

/// A linear congruential generator: the same name and seed give the same mutation on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(name: &str, seed: u64) -> Self {
        let start =
            name.bytes().fold(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xcbf2_9ce4_8422_2325, |h, b| {
                (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
            });
        let mut random = Self(start);
        random.below(2);
        random
    }

    /// A number below `n`; 0 for 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize).checked_rem(n).unwrap_or(0)
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

/// Bit flips, cuts, moved pieces, and length fields of every width with extreme numbers.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let length = bytes.len();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.of(&[0, 1, 0x7f, 0x80, 0xff]),
            2 => bytes.truncate(at.max(16)),
            3 => drop(bytes.drain(at..(at + 1 + random.below(64)).min(length).max(at).min(bytes.len()))),
            4 => {
                let end = (at + 1 + random.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            kind => {
                let width = [2, 4, 8][kind - 5];
                let number = random.of(&[
                    u64::MAX,
                    1 << 63,
                    1 << 32,
                    u64::from(u32::MAX),
                    1 << 31,
                    0xffff,
                    length as u64,
                    length as u64 + 1,
                    at as u64,
                    0,
                ]);
                let at = at / width * width;
                if let Some(field) = bytes.get_mut(at..at + width) {
                    field.copy_from_slice(&number.to_le_bytes()[..width]);
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Weights that training does not leave: NaN, infinities, negative variances, denormals.
pub fn numbers(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let number: f32 = random.of(&[
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -1.0,
            0.0,
            -0.0,
            1e-45,
            f32::MAX,
            f32::MIN,
            1e20,
            0.5,
        ]);
        let at = random.below(bytes.len()) / 4 * 4;
        for i in 0..=random.below(3) {
            if let Some(place) = bytes.get_mut(at + 4 * i..at + 4 * i + 4) {
                place.copy_from_slice(&number.to_le_bytes());
            }
        }
    }
}

/// One change at a random place of a configuration: other values, missing and doubled parts, names and
/// connections that belong to others, cycles.
pub fn json(root: &mut Value, random: &mut Random) {
    let mut texts = Vec::new();
    collect_texts(root, &mut texts);
    let nodes = count(root);
    let mut at = random.below(nodes);
    let Some(node) = nth(root, &mut at) else { return };
    let text = if texts.is_empty() { String::new() } else { random.of(&texts) };
    match (random.below(6), node) {
        // A name from somewhere else: doubled names, layers that read themselves or what does not exist.
        (0, node) => *node = json!(text),
        (1, Value::Array(list)) if !list.is_empty() => {
            let i = random.below(list.len());
            match random.below(4) {
                0 => drop(list.remove(i)),
                1 => list.push(list[i].clone()),
                2 => list.reverse(),
                _ => {
                    let j = random.below(list.len());
                    list.swap(i, j);
                }
            }
        }
        (1 | 2, Value::Object(object)) if !object.is_empty() => change_object(object, random, &text),
        (3, Value::Number(number)) => {
            let old = number.as_i64().unwrap_or(1);
            *node_number(number) =
                random.of(&[old + 1, old - 1, -old, 0, 2 * old, 1 << 20, 67_108_864, 3]).into();
        }
        (_, node) => {
            let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
            *node = random.of(&[
                Value::Null,
                json!(true),
                json!(false),
                json!(0),
                json!(1),
                json!(-1),
                json!(2),
                json!(i64::MAX),
                json!(u64::MAX),
                json!(1e308),
                json!(-1e-308),
                json!(67_108_864),
                json!(4096),
                json!(""),
                json!("same"),
                json!("causal"),
                json!("channels_first"),
                json!("ste_sign"),
                json!("\u{0}\u{202e}\"<script>"),
                json!("x".repeat(5000)),
                json!([]),
                json!([null, 3]),
                json!([1, 2, 3]),
                json!({}),
                deep,
            ]);
        }
    }
}

fn node_number(number: &mut serde_json::Number) -> &mut serde_json::Number {
    number
}

fn change_object(object: &mut Map<String, Value>, random: &mut Random, text: &str) {
    let keys: Vec<String> = object.keys().cloned().collect();
    let key = random.of(&keys);
    match random.below(3) {
        0 => drop(object.remove(&key)),
        1 => {
            let other = random.of(&keys);
            let value = object[&key].clone();
            object.insert(other, value);
        }
        _ => drop(object.insert(key, json!(text))),
    }
}

fn collect_texts(json: &Value, texts: &mut Vec<String>) {
    match json {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(object) => object.values().for_each(|item| collect_texts(item, texts)),
        _ => {}
    }
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 0,
    }
}

/// The `at`-th value in depth-first order.
fn nth<'v>(json: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(json);
    }
    *at -= 1;
    match json {
        Value::Array(list) => list.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(object) => object.values_mut().find_map(|item| nth(item, at)),
        _ => None,
    }
}
