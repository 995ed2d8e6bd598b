//! Diagrams as inline SVG, styled by the page around them.

use std::fmt::Write;

use super::Diagram;
use super::diagram::Role;
use super::html::escape;
use super::layout::{HEIGHT, Layout, Step, WIDTH, layout};

/// Characters of a box's title, and of its smaller second line, that fit into it.
const FITS: [usize; 2] = [23, 28];

/// `diagram` as an `<svg>` element in its natural size; `None` if it is too large to be readable.
#[must_use]
pub fn svg(diagram: &Diagram) -> Option<String> {
    let layout = layout(diagram)?;
    let (width, height) = (layout.width.ceil() + 4.0, layout.height.ceil() + 4.0);
    let mut out = format!(
        "<svg class=\"graph\" role=\"img\" aria-label=\"{}\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"-2 -2 {width} {height}\">\n",
        escape(&diagram.caption)
    );
    arrows(&mut out, &layout);
    for (node, &(x, y)) in diagram.nodes.iter().zip(&layout.nodes) {
        let class = match node.role {
            Role::Input | Role::Output => "end",
            Role::Costly => "costly",
            Role::Free => "free",
            Role::Other => "other",
            Role::Refused => "refused",
        };
        let radius = if class == "end" { HEIGHT / 2.0 } else { 6.0 };
        let (left, top) = (x - WIDTH / 2.0, y - HEIGHT / 2.0);
        let one_line = node.detail.is_empty();
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<g class=\"{class}\"><title>{}: {}</title>\
             <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"{radius}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            escape(&node.title),
            escape(&node.detail),
            if one_line { y + 4.5 } else { y - 3.0 },
            escape(&cut(&node.title, FITS[0])),
        );
        if !one_line {
            let _ = write!(
                out,
                "<text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y + 13.0,
                escape(&cut(&node.detail, FITS[1]))
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn arrows(out: &mut String, layout: &Layout) {
    for way in &layout.edges {
        let mut path = String::new();
        let (mut x0, mut y0) = (0.0, 0.0);
        for (i, step) in way.iter().enumerate() {
            let (Step::Curve(x, y) | Step::Line(x, y)) = *step;
            let _ = match step {
                _ if i == 0 => write!(path, "M{x:.1} {y:.1}"),
                Step::Line(..) => write!(path, "L{x:.1} {y:.1}"),
                Step::Curve(..) => {
                    let bend = (y - y0) / 2.0;
                    write!(path, "C{x0:.1} {:.1} {x:.1} {:.1} {x:.1} {y:.1}", y0 + bend, y - bend)
                }
            };
            (x0, y0) = (x, y);
        }
        let _ = writeln!(out, "<path class=\"arrow\" marker-end=\"url(#tip)\" d=\"{path}\"/>");
    }
}

/// The text, cut where the box ends.
fn cut(text: &str, fits: usize) -> String {
    match text.char_indices().nth(fits) {
        None => text.into(),
        // The end tells more than the beginning of `block_3/conv_2`.
        Some(_) => {
            let skip = text.chars().count() - (fits - 1);
            format!("\u{2026}{}", text.chars().skip(skip).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(cut("conv", 23), "conv");
        let long = cut(&format!("{}/tail", "x".repeat(50)), 23);
        assert!(long.starts_with('\u{2026}') && long.ends_with("/tail") && long.chars().count() == 23);
    }
}
