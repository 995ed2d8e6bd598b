//! A host's input bits on the command line: a part for each of its input groups.

use std::str::FromStr;

/// What `--input` says: parts with commas between them, or what is wrong with a file that is named there.
#[derive(Clone, Debug, PartialEq)]
pub struct Input(Result<Vec<Bits>, String>);

/// One part.
#[derive(Clone, Debug, PartialEq)]
enum Bits {
    Binary(Vec<bool>),
    /// Least significant first; whole nibbles, so up to three leading zeros too many or any number too few.
    Hex(Vec<bool>),
}

impl FromStr for Input {
    type Err = String;

    /// A part may be `@` and the name of a file that holds one part or several, with commas or line ends
    /// between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim) {
            let Some(path) = part.strip_prefix('@') else {
                parts.push(part.parse()?);
                continue;
            };
            // A file that is wrong is no wrong usage, so it is told of later.
            match in_file(path) {
                Ok(more) => parts.extend(more),
                Err(wrong) => return Ok(Self(Err(wrong))),
            }
        }
        Ok(Self(Ok(parts)))
    }
}

fn in_file(path: &str) -> Result<Vec<Bits>, String> {
    let read = std::fs::read_to_string(path).map_err(|e| format!("{path} cannot be read: {e}"))?;
    let parts = read.trim().split([',', '\n']);
    parts.map(|part| part.trim().parse().map_err(|e| format!("{path}: {e}"))).collect()
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(hex) = text.strip_prefix("0x") {
            let mut bits = Vec::with_capacity(4 * hex.len());
            for digit in hex.chars().rev() {
                let value = digit.to_digit(16).ok_or(format!("{digit:?} is not a hexadecimal digit"))?;
                bits.extend((0..4).map(|i| value >> i & 1 == 1));
            }
            return Ok(Self::Hex(bits));
        }
        let bit = |c| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            other => Err(format!("{other:?} is not a bit, expected 0s and 1s, or 0x and hexadecimal digits")),
        };
        text.chars().map(bit).collect::<Result<_, _>>().map(Self::Binary)
    }
}

impl Bits {
    /// Just `count` bits: a hexadecimal number may leave out leading zeros or have a few too many. Otherwise
    /// how many there are.
    fn exactly(&self, count: usize) -> Result<Vec<bool>, String> {
        match self {
            Self::Binary(bits) if bits.len() == count => Ok(bits.clone()),
            Self::Binary(bits) => Err(format!("{} bits", bits.len())),
            Self::Hex(bits) => match bits.iter().skip(count).rposition(|&bit| bit) {
                None => Ok((0..count).map(|i| bits.get(i).copied().unwrap_or(false)).collect()),
                Some(beyond) => Err(format!("a number of {} bits", count + beyond + 1)),
            },
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Binary(bits) if bits.is_empty())
    }
}

impl Input {
    /// The bits of this host's groups, each a number and how many bits it has, one after another. A part for
    /// each group is expected; groups without bits may have none, and one part may be all bits in wire order.
    pub fn bits_of(&self, groups: &[(usize, u32)]) -> Result<Vec<bool>, String> {
        let total: usize = groups.iter().map(|&(_, bits)| bits as usize).sum();
        let filled: Vec<_> = groups.iter().copied().filter(|&(_, bits)| bits > 0).collect();
        let parts = &self.0.as_ref().map_err(Clone::clone)?[..];
        let wanted = match parts {
            [part] if filled.len() == 1 => {
                return part.exactly(total).map_err(|found| {
                    let (group, bits) = filled[0];
                    if part.is_nothing() {
                        return format!(
                            "--input is missing: this host holds input group {group} of {bits} bits"
                        );
                    }
                    format!("--input has {found}, input group {group} of this host has {bits} bits")
                });
            }
            [part] => {
                let held = list(&filled);
                return part.exactly(total).map_err(|found| match filled.len() {
                    0 => format!("--input has {found}, this host holds no input bits of the circuit"),
                    _ if part.is_nothing() => format!("--input is missing: this host holds {held}"),
                    _ => format!(
                        "--input has {found} in one part, this host holds {total} input bits in {held}; \
                         give a part for each group, with commas between them"
                    ),
                });
            }
            parts if parts.len() == groups.len() => groups,
            parts if parts.len() == filled.len() => &filled[..],
            parts => {
                let holds = if groups.is_empty() { "no input group".to_owned() } else { list(groups) };
                return Err(format!("--input has {} parts, this host holds {holds}", parts.len()));
            }
        };
        let mut all = Vec::with_capacity(total);
        for (i, (part, &(group, bits))) in parts.iter().zip(wanted).enumerate() {
            all.extend(part.exactly(bits as usize).map_err(|found| {
                format!("part {} of --input has {found}, input group {group} has {bits} bits", i + 1)
            })?);
        }
        Ok(all)
    }
}

/// Groups for people, such as `group 0 (128 bits)` or `groups 1 (4 bits) and 2 (1 bit)`.
pub fn list(groups: &[(usize, u32)]) -> String {
    /// More are not listed: a file may have any number of groups.
    const MOST: usize = 8;
    let bits = |n: u32| if n == 1 { "1 bit".to_owned() } else { format!("{n} bits") };
    let named: Vec<String> = groups.iter().take(MOST).map(|&(g, n)| format!("{g} ({})", bits(n))).collect();
    match &named[..] {
        [] => "no group".to_owned(),
        [one] => format!("group {one}"),
        several if groups.len() > MOST => {
            format!("groups {} and {} more", several.join(", "), groups.len() - MOST)
        }
        [before @ .., last] => format!("groups {} and {last}", before.join(", ")),
    }
}

/// Bits in wire order.
pub fn binary(bits: &[bool]) -> String {
    bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect()
}

/// Bits as a number whose least significant bit is the first wire.
pub fn hexadecimal(bits: &[bool]) -> String {
    let nibble = |bits: &[bool]| bits.iter().rev().fold(0, |n, &bit| n << 1 | u32::from(bit));
    let digits = bits.chunks(4).rev().map(|bits| char::from_digit(nibble(bits), 16).expect("below 16"));
    std::iter::once("0x".to_owned()).chain(digits.map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str, groups: &[(usize, u32)]) -> Result<String, String> {
        text.parse::<Input>().and_then(|input| input.bits_of(groups)).map(|bits| binary(&bits))
    }

    #[test]
    fn bits_are_read_in_wire_order() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(bits("0110", &[(0, 4)]), ok("0110"));
        assert_eq!(bits("0x6", &[(0, 4)]), ok("0110"));
        assert_eq!(bits("0x06", &[(0, 3)]), ok("011"));
        assert_eq!(bits("0x1", &[(0, 6)]), ok("100000"));
        assert_eq!(bits("", &[]), ok(""));
        assert_eq!(bits("", &[(1, 0)]), ok(""));
        assert!("012".parse::<Input>().is_err() && "0xg".parse::<Input>().is_err());
    }

    #[test]
    fn groups_are_given_apart_or_in_a_row() {
        let groups = [(0, 4), (2, 0), (5, 3)];
        for text in ["0110,100", "0x6,0x1", "0x6,100", "0110,,100", "0110100", "0x16", " 0110 , 100"] {
            assert_eq!(bits(text, &groups), Ok("0110100".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_group() {
        let error = |text: &str, groups: &[(usize, u32)]| bits(text, groups).expect_err("it does not fit");
        assert_eq!(error("011", &[(1, 4)]), "--input has 3 bits, input group 1 of this host has 4 bits");
        assert_eq!(
            error("0xff", &[(1, 7)]),
            "--input has a number of 8 bits, input group 1 of this host has 7 bits"
        );
        assert_eq!(error("", &[(1, 7)]), "--input is missing: this host holds input group 1 of 7 bits");
        assert_eq!(error("1", &[]), "--input has 1 bits, this host holds no input bits of the circuit");
        assert_eq!(
            error("0x1", &[(3, 0)]),
            "--input has a number of 1 bits, this host holds no input bits of the circuit"
        );
        let two = [(0, 4), (2, 3)];
        assert_eq!(error("011,111", &two), "part 1 of --input has 3 bits, input group 0 has 4 bits");
        assert_eq!(
            error("0110,0xf", &two),
            "part 2 of --input has a number of 4 bits, input group 2 has 3 bits"
        );
        assert_eq!(
            error("1,1,1", &two),
            "--input has 3 parts, this host holds groups 0 (4 bits) and 2 (3 bits)"
        );
        assert!(
            error("0110", &two)
                .contains("holds 7 input bits in groups 0 (4 bits) and 2 (3 bits); give a part")
        );
        assert!(error("", &two).starts_with("--input is missing: this host holds groups 0"));
    }

    #[test]
    fn bits_are_read_from_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("bits");
        let at = format!("@{}", file.display());
        assert!(bits(&at, &[(0, 4)]).expect_err("no such file").contains("cannot be read"));
        for content in ["0x6\n", " 0110\n"] {
            std::fs::write(&file, content).expect("written");
            assert_eq!(bits(&at, &[(0, 4)]), Ok("0110".to_owned()));
            assert_eq!(bits(&format!("1,{at}"), &[(0, 1), (1, 4)]), Ok("10110".to_owned()));
        }
        std::fs::write(&file, "0x6\r\n1\n").expect("written");
        assert_eq!(bits(&at, &[(0, 4), (1, 1)]), Ok("01101".to_owned()));
        std::fs::write(&file, format!("@{}", file.display())).expect("written");
        assert!(bits(&at, &[(0, 4)]).is_err(), "a file does not name another");
    }

    #[test]
    fn output_is_printed_in_wire_order_or_as_a_number() {
        let bits = [false, true, true, false, true];
        assert_eq!((binary(&bits).as_str(), hexadecimal(&bits).as_str()), ("01101", "0x16"));
        assert_eq!((binary(&[]).as_str(), hexadecimal(&[]).as_str()), ("", "0x"));
    }

    #[test]
    fn long_lists_of_groups_are_cut() {
        let many: Vec<(usize, u32)> = (0..1000).map(|g| (g, 1)).collect();
        assert!(list(&many).ends_with("7 (1 bit) and 992 more"));
        assert_eq!(list(&many[..1]), "group 0 (1 bit)");
    }
}
