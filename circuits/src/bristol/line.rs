//! The grammar of one line: numbers, then possibly a gate's name.
//!
//! ```text
//! line   = blanks (number blanks)* (name blanks)? comment? end
//! number = digits, followed by a blank or the end
//! name   = a letter, then letters and digits, followed by a blank or the end
//! comment = `//` or `#`, then anything
//! ```

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while_m_n};
use nom::character::complete::{satisfy, u64 as decimal};
use nom::combinator::{eof, peek, recognize};
use nom::multi::fold_many0;
use nom::sequence::{pair, terminated};
use nom::{IResult, Parser};

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

fn blanks(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_blank).parse(input)
}

fn token_end(input: &[u8]) -> IResult<&[u8], &[u8]> {
    peek(alt((take_while_m_n(1, 1, is_blank), eof))).parse(input)
}

fn number(input: &[u8]) -> IResult<&[u8], u64> {
    terminated(decimal, (token_end, blanks)).parse(input)
}

fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let letters = pair(satisfy(|c| c.is_ascii_alphabetic()), take_while(|b: u8| b.is_ascii_alphanumeric()));
    terminated(recognize(letters), (token_end, blanks)).parse(input)
}

/// The line without its comment.
fn without_comment(line: &[u8]) -> &[u8] {
    let begins = |at: &usize| line[*at] == b'#' || line[*at..].starts_with(b"//");
    &line[..(0..line.len()).find(begins).unwrap_or(line.len())]
}

/// Parses a line without its line feed; its numbers replace those in `numbers`.
pub(super) fn parse(line: &[u8], numbers: &mut Vec<u64>) -> Result<Option<Name>, Problem> {
    numbers.clear();
    let line = without_comment(line);
    let mut grammar = (blanks, fold_many0(number, || (), |(), n| numbers.push(n)));
    let (rest, _) =
        grammar.parse(line).map_err(|_: nom::Err<nom::error::Error<&[u8]>>| problem(line, line))?;
    let (rest, name) = match word(rest) {
        Ok((rest, word)) => (rest, Some(Name::of(word))),
        Err(_) => (rest, None),
    };
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
