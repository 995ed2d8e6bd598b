use super::super::export;
use super::*;
use crate::eval::evaluate_bits;

/// Output 0 for all inputs, input 0 in bit 0 of the index.
fn table(graph: &Xag, bits: u32) -> Vec<bool> {
    let netlist = export::netlist(graph, &[bits], &[graph.outputs.len() as u32]);
    let input = |v: u32| (0..bits).map(|i| v >> i & 1 == 1).collect::<Vec<_>>();
    (0..1 << bits).map(|v| evaluate_bits(&netlist, &input(v))[0]).collect()
}

#[test]
fn forms_are_found_whatever_the_shape_of_their_tree() {
    let mut g = Xag::new(4, [3; 32], Simplify::Forms);
    let [a, b, c, d] = [1, 2, 3, 4].map(|i| Lit::new(i, false));
    let pairs = [g.xor(a, b), g.xor(c, d), g.xor(a, c), g.xor(b, d)];
    let (first, second) = (g.xor(pairs[0], pairs[1]), g.xor(pairs[2].negate_if(true), pairs[3]));
    assert_eq!(second, first.negate_if(true));
    assert_eq!(g.xor(first, second), Lit::FALSE.negate_if(true));
    assert_eq!(g.xor(first, pairs[1]), pairs[0]);
    let product = g.and(first, a);
    assert_eq!(g.and(a, first), product);
    assert_eq!(g.and(first, second), Lit::FALSE);
    assert_eq!(g.and(second, second), second);
}

/// All products of two elements of a span, with all negations, from one AND node.
#[test]
fn one_and_gives_all_products_over_its_span() {
    for made in 0..4u32 {
        for wanted in 0..36u32 {
            let mut g = Xag::new(2, [4; 32], Simplify::Forms);
            let (a, b) = (Lit::new(1, false), Lit::new(2, false));
            let span = [a, b, g.xor(a, b)];
            g.and(a.negate_if(made & 1 == 1), b.negate_if(made & 2 == 2));
            let element = |i: u32, negate: u32| span[i as usize].negate_if(negate == 1);
            let (i, j) = (wanted % 3, wanted / 3 % 3);
            let (u, v) = (element(i, (wanted / 9) & 1), element(j, wanted / 18));
            let product = g.and(u, v);
            let ands = g.counts().0;
            assert_eq!(ands, 1, "no second AND");
            g.outputs = vec![product];
            let value = |l: Lit, x: u32| {
                let plain = [x & 1 == 1, x & 2 == 2, (x & 1 == 1) ^ (x & 2 == 2)];
                plain[span.iter().position(|&s| s == l.plain()).expect("of the span")] ^ l.is_negated()
            };
            let want: Vec<bool> = (0..4).map(|x| value(u, x) && value(v, x)).collect();
            assert_eq!(table(&g, 2), want, "{made} {wanted}");
        }
    }
}

#[test]
fn what_may_depend_on_a_node_is_not_found_for_it() {
    let mut g = Xag::new(3, [5; 32], Simplify::Forms);
    let [a, b, c] = [1, 2, 3].map(|i| Lit::new(i, false));
    let (ab, bc) = (g.and(a, b), g.and(b, c));
    let above = g.and(ab, c);
    g.set_levels();
    let signature = |g: &Xag, l: Lit| g.signature[l.index()];
    g.build_instead_of(Some(ab.node()));
    assert_eq!(g.find_form(signature(&g, ab)), None, "the node itself");
    assert_eq!(g.find_form(signature(&g, above)), None, "a node that reads it");
    assert_eq!(g.find_form(signature(&g, bc)), Some(bc.node()), "a node of its level");
    // Once `bc` stands for something built on `ab`, it is of no use for `ab`.
    let before = g.nodes.len();
    let built = g.xor(bc, a);
    g.replaced(bc.node(), built.node());
    assert_eq!(g.find_form(signature(&g, bc)), None);
    g.truncate(before);
    assert_eq!(g.find_form(signature(&g, bc) ^ signature(&g, a)), None, "what was taken back is not found");
}
