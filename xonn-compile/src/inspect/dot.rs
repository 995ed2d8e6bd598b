//! Diagrams in Graphviz's language.

use std::fmt::Write;

use super::Diagram;
use super::diagram::Role;

/// `diagram` as one `digraph`; texts are escaped, so no name can add statements.
#[must_use]
pub fn dot(diagram: &Diagram) -> String {
    let mut text =
        String::from("digraph xonn {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let _ = writeln!(text, "  label={};", quoted(&diagram.caption)); // writing to a String cannot fail
    for (i, node) in diagram.nodes.iter().enumerate() {
        let style = match node.role {
            Role::Input => "shape=ellipse",
            Role::Output => "shape=doubleoctagon",
            Role::Costly => "style=bold",
            Role::Free => "style=dashed",
            Role::Other => "style=solid",
            Role::Refused => "color=red, fontcolor=red",
        };
        let label = match node.detail.as_str() {
            "" => quoted(&node.title),
            // The one escape that is ours: a line break between the two texts.
            detail => {
                let (title, detail) = (quoted(&node.title), quoted(detail));
                format!("{}\\n{}", &title[..title.len() - 1], &detail[1..])
            }
        };
        let _ = writeln!(text, "  n{i} [label={label}, {style}];");
    }
    for (from, to) in &diagram.edges {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

/// A quoted string of the DOT language. Only `"` ends it; a backslash begins one of Graphviz's label escapes,
/// so it is doubled. Control characters become spaces.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::diagram::Node;

    #[test]
    fn names_cannot_leave_their_quotes() {
        let node = |title: &str| Node { title: title.into(), detail: "d".into(), role: Role::Costly };
        let nodes = vec![node("a\"]; evil [label=\"x"), node("ends in \\"), node("two\nlines\0")];
        let text = dot(&Diagram { caption: "c".into(), nodes, edges: vec![(0, 1)] });
        assert!(text.contains(r#"n0 [label="a\"]; evil [label=\"x\nd", style=bold];"#), "{text}");
        assert!(text.contains(r#"n1 [label="ends in \\\nd", style=bold];"#), "{text}");
        assert!(text.contains(r#"n2 [label="two lines \nd", style=bold];"#), "{text}");
        assert!(text.contains("n0 -> n1;"));
    }
}
