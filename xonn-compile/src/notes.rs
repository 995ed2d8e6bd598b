//! Notes of a compilation as people read them: by what they are about, the worst first, what is said of many
//! layers said once.
//!
//! Passes say one sentence a layer, `layer "name": text`. Sentences that differ in their numbers alone become
//! one, with the range of each number.

use std::fmt;

/// What a note is about, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Where answers may differ from Keras's; also whatever is not known to be harmless.
    Answers,
    /// How the file and the client's numbers are understood.
    Reading,
    /// What becomes public.
    Public,
    /// What costs more than it needs to.
    Price,
}

/// What is said in a note, in the order in which it is asked for, and what the note is about then.
const SAYS: &[(&str, Kind)] = &[
    ("may differ", Kind::Answers),
    ("fixed point keeps the order of all possible sums", Kind::Reading),
    ("scores: exact", Kind::Reading),
    ("kept exactly in", Kind::Reading),
    ("calibrated: real weights", Kind::Reading),
    ("the input is taken as", Kind::Reading),
    ("a sample is all of them in one row", Kind::Reading),
    ("is dropped, it keeps the order", Kind::Reading),
    ("means and deviations become public", Kind::Public),
    ("for far fewer gates", Kind::Price),
    ("costs twice as much", Kind::Price),
];

impl Kind {
    fn of(text: &str) -> Self {
        SAYS.iter().find(|(says, _)| text.contains(says)).map_or(Self::Answers, |(_, kind)| *kind)
    }

    /// What stands above the notes of a kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Answers => "where answers may differ from Keras's",
            Self::Reading => "how the model and its inputs are read",
            Self::Public => "what becomes public",
            Self::Price => "what costs more than it needs to",
        }
    }
}

/// One sentence, of any number of layers.
#[derive(Clone, PartialEq, Debug)]
pub struct Note {
    /// What it is about.
    pub kind: Kind,
    /// The layers that it is said of, each once; none if it is about the model.
    pub layers: Vec<String>,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.layers.iter().map(|name| format!("{name:?}")).collect();
        match names.len() {
            0 => {}
            1 => write!(f, "layer {}: ", names[0])?,
            _ => write!(f, "layers {}: ", names.join(", "))?,
        }
        f.write_str(&self.text)
    }
}

/// The notes of a compilation, sorted and folded; those of one kind stay in their order.
#[must_use]
pub fn folded(notes: &[String]) -> Vec<Note> {
    let mut all: Vec<(String, Folding)> = Vec::new();
    for note in notes {
        let (layer, text) = layer_of(note);
        let pieces = Pieces::of(text);
        let key = format!("{}{}", u8::from(layer.is_some()), pieces.pattern());
        match all.iter_mut().find(|(other, _)| *other == key) {
            Some((_, folding)) => folding.add(layer, &pieces),
            None => all.push((key, Folding::new(layer, pieces))),
        }
    }
    let mut notes: Vec<Note> = all.into_iter().map(|(_, folding)| folding.note()).collect();
    notes.sort_by_key(|note| note.kind);
    notes
}

/// The notes with a title above each kind, for a terminal. Empty if there are none.
#[must_use]
pub fn text(notes: &[String]) -> String {
    let (mut text, mut title) = (String::new(), None);
    for note in folded(notes) {
        if title.replace(note.kind) != Some(note.kind) {
            text.push_str(&format!("notes, {}:\n", note.kind.title()));
        }
        text.push_str(&format!("  {note}\n"));
    }
    text
}

/// The layer that a note is about, and what it says of it.
fn layer_of(note: &str) -> (Option<String>, &str) {
    let Some(quoted) = note.strip_prefix("layer \"") else { return (None, note) };
    // The name is written as Rust writes strings: a quote in it has a backslash in front.
    let mut escaped = false;
    let end = quoted.char_indices().find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some((end, _)) = end else { return (None, note) };
    let Some(text) = quoted[end + 1..].strip_prefix(": ") else { return (None, note) };
    // Quotes and backslashes come back; other escapes stay as they are, harmless.
    (Some(quoted[..end].replace("\\\"", "\"").replace("\\\\", "\\")), text)
}

/// A sentence as text and numbers in turn; text is first and last.
#[derive(Debug)]
struct Pieces<'t> {
    texts: Vec<&'t str>,
    numbers: Vec<&'t str>,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str) -> Self {
        let (mut texts, mut numbers, mut from, mut at) = (Vec::new(), Vec::new(), 0, 0);
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let begins = bytes[at].is_ascii_digit() && (at == 0 || !is_word(bytes[at - 1]));
            if !begins {
                at += 1;
                continue;
            }
            let end = number_end(bytes, at);
            // Digits of a word, such as 2nd, are none.
            if end < bytes.len() && is_word(bytes[end]) {
                at = end;
                continue;
            }
            texts.push(&text[from..at]);
            numbers.push(&text[at..end]);
            (from, at) = (end, end);
        }
        texts.push(&text[from..]);
        Self { texts, numbers }
    }

    /// The sentence without its numbers.
    fn pattern(&self) -> String {
        self.texts.join("\u{0}")
    }
}

/// Of a byte that is a part of words; all of other alphabets are taken to be.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128
}

/// The end of a number such as `12`, `0.5` or `2.7e-7` that begins at `at`.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(at);
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if bytes.get(end) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if digits(end + 1 + sign) > end + 1 + sign {
            end = digits(end + 1 + sign);
        }
    }
    end
}

/// Sentences that are alike up to their numbers.
#[derive(Debug)]
struct Folding {
    layers: Vec<String>,
    texts: Vec<String>,
    /// Of each number the smallest and the largest, as they are written.
    ranges: Vec<[String; 2]>,
}

impl Folding {
    fn new(layer: Option<String>, pieces: Pieces<'_>) -> Self {
        let own = |text: &&str| (*text).to_owned();
        Self {
            layers: layer.into_iter().collect(),
            texts: pieces.texts.iter().map(own).collect(),
            ranges: pieces.numbers.iter().map(|number| [own(number), own(number)]).collect(),
        }
    }

    fn add(&mut self, layer: Option<String>, pieces: &Pieces<'_>) {
        if let Some(layer) = layer.filter(|layer| !self.layers.contains(layer)) {
            self.layers.push(layer);
        }
        let value = |text: &str| text.parse::<f64>().unwrap_or(0.0);
        for ([least, most], number) in self.ranges.iter_mut().zip(&pieces.numbers) {
            if value(number) < value(least) {
                *least = (*number).to_owned();
            }
            if value(number) > value(most) {
                *most = (*number).to_owned();
            }
        }
    }

    fn note(self) -> Note {
        let mut text = self.texts[0].clone();
        for (after, [least, most]) in self.texts[1..].iter().zip(&self.ranges) {
            text.push_str(least);
            if least != most {
                text.push_str(" to ");
                text.push_str(most);
            }
            text.push_str(after);
        }
        Note { kind: Kind::of(&text), layers: self.layers, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(notes: &[&str]) -> Vec<String> {
        let notes: Vec<String> = notes.iter().map(|&note| note.to_owned()).collect();
        folded(&notes).iter().map(Note::to_string).collect()
    }

    #[test]
    fn what_is_said_of_many_layers_is_said_once() {
        let fixed = |layer: &str, error: &str| {
            format!(
                "layer {layer:?}: in fixed point, each off by at most {error}; --scale-bits 34 more or less"
            )
        };
        let notes =
            [fixed("add", "2.7e-7"), fixed("add", "5.0e-8"), fixed("a\"dd_1", "1.0e-3"), fixed("c", "3")];
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        assert_eq!(
            fold(&notes),
            ["layers \"add\", \"a\\\"dd_1\", \"c\": in fixed point, each off by at most 5.0e-8 to 3; \
              --scale-bits 34 more or less"]
        );
        // A sentence about the model is none about a layer, and names in a sentence are no numbers.
        assert_eq!(fold(&["x off by 1", "layer \"x\": x off by 1"]).len(), 2);
        assert_eq!(fold(&["reads dense_1", "reads dense_2", "reads conv2d"]).len(), 3);
        assert_eq!(fold(&["the same", "the same"]), ["the same"]);
        // No name ends; text of other alphabets.
        assert_eq!(fold(&["layer \"x: 1", "layer \"x\" 2", "é1é 1"]).len(), 3);
    }

    #[test]
    fn the_worst_comes_first_and_the_unknown_is_not_taken_to_be_harmless() {
        let notes = [
            "layer \"s\": its sign gives 0, so it has three values and what reads it costs twice as much",
            "the client standardises its numbers: its means and deviations become public",
            "the input is taken as integers 0 to 255",
            "layer \"d\": sums are not exact in Keras's float32, so single predictions may differ",
            "something new",
        ];
        let sorted = folded(&notes.map(str::to_owned));
        let kinds: Vec<Kind> = sorted.iter().map(|note| note.kind).collect();
        assert_eq!(kinds, [Kind::Answers, Kind::Answers, Kind::Reading, Kind::Public, Kind::Price]);
        let text = text(&notes.map(str::to_owned));
        assert_eq!(text.matches("notes, ").count(), 4, "{text}");
        assert!(text.starts_with("notes, where answers may differ from Keras's:\n  layer \"d\": sums"));
    }
}
