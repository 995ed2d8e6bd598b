//! How figures and errors are put for people, by both commands alike.

use std::error::Error;

/// An error with its causes, in one sentence.
#[must_use]
pub fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors print their cause themselves.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A number in groups of three digits, such as `1,234,567`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Nested {
            text: &'static str,
            source: Option<Box<Nested>>,
        }
        let inner = |text| Some(Box::new(Nested { text, source: None }));
        assert_eq!(
            sentence(&Nested { text: "a.txt: cannot be read", source: inner("no such file") }),
            "a.txt: cannot be read: no such file"
        );
        assert_eq!(sentence(&Nested { text: "outer: inner", source: inner("inner") }), "outer: inner");
    }
}
