//! What the custom map says of a layer with weights of its own: `ste_sign(x + beta)`, `alpha * ste_sign(x /
//! alpha + beta)`.
//!
//! `x` is what the layer reads; other names are its weights, numbers are numbers, and functions are
//! quantisers and activations by the names that they have elsewhere, `clip(x, low, high)`, `maximum(x, y)`,
//! `minimum(x, y)` and `prelu(x, slope)`. All weights must occur, for a weight that is left out would change
//! the prediction without a word.

use std::collections::HashSet;
use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::arithmetic::{Binary, Term};
use super::{Builder, Built, Layer};
use crate::graph::{Array, Function, LayerOp};
use crate::keras::quantizer;

/// Longest expression, and deepest nesting.
const MAX_LENGTH: usize = 500;
const MAX_DEPTH: u32 = 24;

/// Whether a meaning of the custom map is an expression: it names `x`.
pub(in crate::keras) fn is_expression(meaning: &str) -> bool {
    tokens(meaning).is_ok_and(|tokens| tokens.contains(&Token::Name("x".into())))
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Name(String),
    Number(f64),
    Sign(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} characters"));
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let run = |of: &dyn Fn(usize) -> bool| (at..chars.len()).find(|&i| !of(i)).unwrap_or(chars.len());
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c.is_ascii_digit() || c == '.' {
            let exponent =
                |i: usize| matches!(chars[i], '+' | '-') && i > at && matches!(chars[i - 1], 'e' | 'E');
            let end =
                run(&|i| chars[i].is_ascii_digit() || matches!(chars[i], '.' | 'e' | 'E') || exponent(i));
            let number: String = chars[at..end].iter().collect();
            found.push(Token::Number(number.parse().map_err(|_| format!("{number:?} is no number"))?));
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let end = run(&|i| chars[i].is_alphanumeric() || chars[i] == '_');
            found.push(Token::Name(chars[at..end].iter().collect()));
            at = end;
        } else if "+-*/(),".contains(c) {
            found.push(Token::Sign(c));
            at += 1;
        } else {
            return Err(format!("{c:?} has no meaning here"));
        }
    }
    Ok(found)
}

impl Builder<'_> {
    /// Builds the expression of the custom map that stands in the place of the layer's class.
    pub(super) fn expression(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let text = layer.config.kind.clone();
        let wrong = |reason: String| format!("the custom map says {text:?}: {reason}");
        let x = layer.only_read()?;
        if !self.weights_are_known {
            return Err(super::Trouble::NoWeights);
        }
        let tokens = tokens(&text).map_err(wrong)?;
        let mut parser = Parser { builder: self, layer, x, tokens, at: 0, used: HashSet::new() };
        let term = parser.sum(0)?;
        if let Some(token) = parser.tokens.get(parser.at) {
            return Err(wrong(format!("{token:?} is left over")).into());
        }
        let used = std::mem::take(&mut parser.used);
        let left_out: Vec<String> = (self.weights.of(&layer.path).iter().enumerate())
            .filter(|(place, _)| !used.contains(place))
            .map(|(_, (name, _))| name.clone())
            .collect();
        if !left_out.is_empty() {
            return Err(wrong(format!(
                "the layer's weights {left_out:?} do not occur, expected all of them{}",
                by_number(&left_out)
            ))
            .into());
        }
        match term {
            Term::Tensor(node) => Ok(node),
            _ => Err(wrong("it does not depend on x".into()).into()),
        }
    }

    /// Why a layer that the map takes for one without weights is refused if it has some.
    pub(super) fn without_weights(&self, layer: &Layer<'_>) -> Result<(), String> {
        let names: Vec<&str> = self.weights.of(&layer.path).iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() || !layer.config.is_own() {
            return Ok(());
        }
        Err(format!(
            "it owns the weights {names:?}, and {:?}, which it is taken for, has none; say what it does \
             with them in the custom map, x being what it reads: {{\"{}\": \"{}(x + {})\"}} if it shifts \
             before it quantises{}",
            layer.config.kind,
            layer.config.class,
            layer.config.kind,
            shown(names[0]),
            by_number(&names)
        ))
    }
}

/// A weight as it is written in an expression.
pub(super) fn shown(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("w{name}") } else { name.to_owned() }
}

fn by_number<S: AsRef<str>>(names: &[S]) -> &'static str {
    match names.iter().all(|name| name.as_ref().parse::<u32>().is_ok()) {
        true => " (this file numbers its weights: w0, w1, ... in the order in which the layer makes them)",
        false => "",
    }
}

struct Parser<'p, 'b, 'c> {
    builder: &'p mut Builder<'b>,
    layer: &'p Layer<'c>,
    x: NodeIndex,
    tokens: Vec<Token>,
    at: usize,
    used: HashSet<usize>,
}

impl Parser<'_, '_, '_> {
    fn wrong<T>(&self, reason: &str) -> Built<T> {
        Err(format!("the custom map says {:?}: {reason}", self.layer.config.kind).into())
    }

    fn takes(&mut self, sign: char) -> bool {
        let there = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn combine(&mut self, op: Binary, a: Term, b: Term) -> Built<Term> {
        self.builder.combine(self.layer, op, a, b)
    }

    fn sum(&mut self, depth: u32) -> Built<Term> {
        if depth > MAX_DEPTH {
            return self.wrong("it is nested too deep");
        }
        let mut term = self.product(depth)?;
        loop {
            let op = match (self.takes('+'), self.takes('-')) {
                (true, _) => Binary::Add,
                (_, true) => Binary::Subtract,
                _ => return Ok(term),
            };
            let next = self.product(depth)?;
            term = self.combine(op, term, next)?;
        }
    }

    fn product(&mut self, depth: u32) -> Built<Term> {
        let mut term = self.factor(depth)?;
        loop {
            let op = match (self.takes('*'), self.takes('/')) {
                (true, _) => Binary::Multiply,
                (_, true) => Binary::Divide,
                _ => return Ok(term),
            };
            let next = self.factor(depth)?;
            term = self.combine(op, term, next)?;
        }
    }

    fn factor(&mut self, depth: u32) -> Built<Term> {
        if depth > MAX_DEPTH {
            return self.wrong("it is nested too deep");
        }
        if self.takes('-') {
            let term = self.factor(depth + 1)?;
            return self.combine(Binary::Subtract, Term::Number(0.0), term);
        }
        if self.takes('(') {
            let term = self.sum(depth + 1)?;
            return if self.takes(')') { Ok(term) } else { self.wrong("a bracket is not closed") };
        }
        match self.tokens.get(self.at).cloned() {
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(Term::Number(number))
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                if !self.takes('(') {
                    return if name == "x" { Ok(Term::Tensor(self.x)) } else { self.weight(&name) };
                }
                let mut arguments = vec![self.sum(depth + 1)?];
                while self.takes(',') {
                    arguments.push(self.sum(depth + 1)?);
                }
                if self.takes(')') {
                    self.call(&name, arguments)
                } else {
                    self.wrong("a bracket is not closed")
                }
            }
            _ => self.wrong("a number, a name or a bracket is missing"),
        }
    }

    /// A weight of the layer: by its name, or `w0`, `w1`, ... by its place where the file has numbers only.
    fn weight(&mut self, name: &str) -> Built<Term> {
        let owned = self.builder.weights.of(&self.layer.path);
        let numbers = !owned.is_empty() && owned.iter().all(|(name, _)| name.parse::<u32>().is_ok());
        let place = match numbers {
            true => {
                let place = name.strip_prefix('w').and_then(|place| place.parse::<usize>().ok());
                place.or(Some(0).filter(|_| owned.len() == 1))
            }
            false => owned.iter().position(|(own, _)| own == name),
        };
        let Some((place, (_, array))) = place.and_then(|place| Some((place, owned.get(place)?))) else {
            let names: Vec<String> = owned.iter().map(|(name, _)| shown(name)).collect();
            return self
                .wrong(&format!("{name:?} is none of the layer's weights, expected x or one of {names:?}"));
        };
        if let Some(bad) = array.data.iter().find(|w| !w.is_finite()) {
            return self.wrong(&format!("the weight {name:?} holds {bad}, expected finite numbers"));
        }
        let channels = self.builder.shape(self.x).and_then(|shape| shape.last().copied());
        let fits = array.data.len() == 1 || channels.is_none_or(|channels| array.data.len() == channels);
        let is_row = array.shape.iter().rev().skip(1).all(|&n| n == 1);
        if !fits || !is_row {
            let shape = &array.shape;
            return self.wrong(&format!(
                "the weight {name:?} has shape {shape:?}, expected one number, or one for each of the {} \
                 channels",
                channels.unwrap_or(0)
            ));
        }
        let row = Array::vector(array.data.clone());
        self.used.insert(place);
        Ok(Term::Row(Arc::new(row)))
    }

    fn call(&mut self, name: &str, arguments: Vec<Term>) -> Built<Term> {
        let number = |term: &Term| match term {
            Term::Number(x) => Some(*x as f32),
            _ => None,
        };
        let (builder, layer) = (&mut *self.builder, self.layer);
        match (name, &arguments[..]) {
            ("clip", [Term::Tensor(x), low, high]) => match (number(low), number(high)) {
                (Some(low), Some(high)) if low <= high => {
                    let op = LayerOp::Function(Function::Clip { low, high });
                    builder.add(layer, op, &[*x]).map(Term::Tensor)
                }
                _ => self.wrong("clip needs two numbers, the smaller one first"),
            },
            ("maximum", [a, b]) => self.combine(Binary::Maximum, a.clone(), b.clone()),
            ("minimum", [a, b]) => self.combine(Binary::Minimum, a.clone(), b.clone()),
            ("prelu", [Term::Tensor(x), slope]) => {
                let slope = match slope {
                    Term::Row(row) => Arc::clone(row),
                    Term::Number(slope) => Arc::new(Array::vector(vec![*slope as f32])),
                    Term::Tensor(_) => return self.wrong("the slope of prelu is a weight or a number"),
                };
                builder.add(layer, LayerOp::PRelu { slope }, &[*x]).map(Term::Tensor)
            }
            (_, [Term::Tensor(x)]) => {
                let keras = builder.origin.keras;
                match quantizer::layer(name, &Value::Null, keras)? {
                    Some(activation) => builder.apply(layer, activation, *x).map(Term::Tensor),
                    None => self.wrong(&format!("{name:?} is no function that is known here")),
                }
            }
            (_, [constant]) => match quantizer::layer(name, &Value::Null, builder.origin.keras)? {
                Some(quantizer::Activation::Function(function)) => {
                    let all: Vec<f32> = match constant {
                        Term::Number(x) => vec![*x as f32],
                        Term::Row(row) => row.data.clone(),
                        Term::Tensor(_) => Vec::new(),
                    };
                    let all = all.into_iter().map(|x| function.apply(x)).collect();
                    Ok(Term::Row(Arc::new(Array::vector(all))))
                }
                _ => self.wrong(&format!("{name:?} of a constant is not known here")),
            },
            _ => self.wrong(&format!("{name:?} with {} arguments is not known here", arguments.len())),
        }
    }
}
