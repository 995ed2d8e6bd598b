//! The grammar of one line: numbers, then possibly a gate's name.
//!
//! ```text
//! line   = blanks (number blanks)* (name blanks)? comment? end
//! number = digits, followed by a blank or the end
//! name   = a letter, then letters and digits, followed by a blank or the end
//! comment = `//` or `#`, then anything
//! ```
//!
//! By hand, for a file has a line a gate: with combinators reading took four times as long, half of the
//! processor time of a host that garbles one SHA-256.

use super::Problem;

/// Longest piece of a file that an error quotes.
const QUOTED: usize = 40;

/// What ends a line of numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// `AND`.
    And,
    /// `XOR`.
    Xor,
    /// `OR`.
    Or,
    /// `INV`, or `NOT`, its name in some collections.
    Inv,
    /// `EQ`: a constant.
    Eq,
    /// `EQW`: a copy.
    Eqw,
    /// `MAND`: many ANDs.
    Mand,
    /// Anything else, shortened.
    Unknown(String),
}

impl Name {
    fn of(word: &[u8]) -> Self {
        match word {
            b"AND" => Self::And,
            b"XOR" => Self::Xor,
            b"OR" => Self::Or,
            b"INV" | b"NOT" => Self::Inv,
            b"EQ" => Self::Eq,
            b"EQW" => Self::Eqw,
            b"MAND" => Self::Mand,
            other => Self::Unknown(quoted(other)),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// `input` without the blanks in front.
fn without_blanks(input: &[u8]) -> &[u8] {
    &input[input.iter().position(|&byte| !is_blank(byte)).unwrap_or(input.len())..]
}

/// The bytes in front that are `of` a token's, and what follows with its blanks left out, if there are any
/// and a blank or the end follows.
fn token(input: &[u8], of: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let length = input.iter().position(|&byte| !of(byte)).unwrap_or(input.len());
    let (token, behind) = input.split_at(length);
    let ends = behind.first().is_none_or(|&byte| is_blank(byte));
    (ends && length > 0).then(|| (token, without_blanks(behind)))
}

/// A number that fits, and what follows.
fn number(input: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = token(input, |byte| byte.is_ascii_digit())?;
    let value = digits
        .iter()
        .try_fold(0u64, |value, &digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some((value?, rest))
}

/// A name, and what follows.
fn word(input: &[u8]) -> Option<(&[u8], &[u8])> {
    input.first().filter(|byte| byte.is_ascii_alphabetic())?;
    token(input, |byte| byte.is_ascii_alphanumeric())
}

/// The line without its comment.
fn without_comment(line: &[u8]) -> &[u8] {
    let begins = |(at, byte): (usize, &u8)| match byte {
        b'#' => true,
        b'/' => line.get(at + 1) == Some(&b'/'),
        _ => false,
    };
    &line[..line.iter().enumerate().position(begins).unwrap_or(line.len())]
}

/// Parses a line without its line feed; its numbers replace those in `numbers`.
pub(super) fn parse(line: &[u8], numbers: &mut Vec<u64>) -> Result<Option<Name>, Problem> {
    numbers.clear();
    let line = without_comment(line);
    let mut rest = without_blanks(line);
    while let Some((value, behind)) = number(rest) {
        numbers.push(value);
        rest = behind;
    }
    let name = word(rest).map(|(word, behind)| {
        rest = behind;
        Name::of(word)
    });
    if rest.is_empty() { Ok(name) } else { Err(problem(line, rest)) }
}

/// Why `rest`, the end of `line`, is not what the grammar expects.
fn problem(line: &[u8], rest: &[u8]) -> Problem {
    let length = rest.iter().position(|&b| is_blank(b)).unwrap_or(rest.len());
    let token = &rest[..length];
    if let Some(at) = token.iter().position(|b| !b.is_ascii_graphic()) {
        return Problem::NotText { byte: token[at], column: line.len() - rest.len() + at + 1 };
    }
    let named = line[..line.len() - rest.len()].iter().any(u8::is_ascii_alphabetic);
    // Before a name, a string of digits can only fail by its size.
    if !named && !token.is_empty() && token.iter().all(u8::is_ascii_digit) {
        return Problem::NumberTooLarge { token: quoted(token), limit: u64::MAX };
    }
    let expected = if named { "nothing after the gate's name" } else { "a number or a gate's name" };
    Problem::Junk { token: quoted(token), expected }
}

/// A piece of the file, shortened to what an error may quote.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]).into_owned();
    if bytes.len() > QUOTED {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Vec<u64>, Option<Name>), Problem> {
        let mut numbers = vec![99];
        parse(line.as_bytes(), &mut numbers).map(|name| (numbers, name))
    }

    #[test]
    fn blanks_of_all_kinds_separate_tokens() {
        assert_eq!(parsed("2 1 0 1 2 AND"), Ok((vec![2, 1, 0, 1, 2], Some(Name::And))));
        assert_eq!(parsed("\t2  1\t0 1 2\tXOR \r"), Ok((vec![2, 1, 0, 1, 2], Some(Name::Xor))));
        assert_eq!(parsed(" 2 64  64 \r"), Ok((vec![2, 64, 64], None)));
        assert_eq!(parsed("18446744073709551615"), Ok((vec![u64::MAX], None)));
        assert_eq!(parsed(" \t\r"), Ok((vec![], None)));
    }

    #[test]
    fn only_whole_tokens_are_taken() {
        for (line, rest) in [("12", ""), ("12 ", ""), ("12\t\r x", "x")] {
            assert_eq!(number(line.as_bytes()), Some((12, rest.as_bytes())), "{line:?}");
        }
        for line in ["", " 1", "1x", "x", "-1", "1.", "18446744073709551616", "1\0"] {
            assert_eq!(number(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(number(b"000000000000000000000000000000012"), Some((12, &b""[..])));
        assert_eq!(word(b"A1 2"), Some((&b"A1"[..], &b"2"[..])));
        for line in ["", "1A", "A-", " A", "\u{e9}", "A\u{e9}"] {
            assert_eq!(word(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn comments_end_lines() {
        assert_eq!(parsed("// carry, \u{e9}"), Ok((vec![], None)));
        assert_eq!(parsed("#"), Ok((vec![], None)));
        assert_eq!(parsed("2 1 0 1 2 OR//out"), Ok((vec![2, 1, 0, 1, 2], Some(Name::Or))));
        assert_eq!(parsed("1 1 0 1 NOT # out"), Ok((vec![1, 1, 0, 1], Some(Name::Inv))));
        assert_eq!(parsed("12#3"), Ok((vec![12], None)));
        let junk = Problem::Junk { token: "/".into(), expected: "a number or a gate's name" };
        assert_eq!(parsed("1 / 2"), Err(junk), "one slash begins nothing");
    }

    #[test]
    fn each_kind_of_junk_is_named() {
        let junk = |token: &str, expected| Err(Problem::Junk { token: token.into(), expected });
        assert_eq!(parsed("1 x2 3"), junk("3", "nothing after the gate's name"));
        assert_eq!(parsed("1 -2 3"), junk("-2", "a number or a gate's name"));
        assert_eq!(parsed("1 2AND"), junk("2AND", "a number or a gate's name"));
        assert_eq!(parsed("1 AND 3"), junk("3", "nothing after the gate's name"));
        assert_eq!(parsed("1 1.5 AND"), junk("1.5", "a number or a gate's name"));
        let big = "18446744073709551616";
        assert_eq!(parsed(big), Err(Problem::NumberTooLarge { token: big.into(), limit: u64::MAX }));
        assert_eq!(parsed("1 \u{e9}"), Err(Problem::NotText { byte: 0xc3, column: 3 }));
        assert_eq!(parsed("1\0"), Err(Problem::NotText { byte: 0, column: 2 }));
        assert_eq!(parsed("NAND"), Ok((vec![], Some(Name::Unknown("NAND".into())))));
    }
}
