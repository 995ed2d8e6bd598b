//! A layered layout for small graphs [Sugiyama, Tagawa, Toda 1981]: ranks by longest path, dummies on long
//! arrows, order by barycentres, then coordinates. Long graphs are cut into columns that stand side by side,
//! read from left to right.

use super::Diagram;

/// Width of a box, in pixels.
pub const WIDTH: f64 = 196.0;
/// Height of a box.
pub const HEIGHT: f64 = 42.0;
/// Space between boxes of a rank.
const GAP: f64 = 22.0;
/// Space between ranks.
const RANK_GAP: f64 = 32.0;
/// Space that a long arrow keeps to its neighbours.
const DUMMY: f64 = 16.0;
/// Space between columns, in which arrows go up again.
const GUTTER: f64 = 64.0;
/// Ranks of a column, if the graph needs no more than [`COLUMNS`] of them.
const RANKS: usize = 8;
/// Most columns, if they fit side by side into this width.
const COLUMNS: usize = 4;
const PAGE: f64 = 1130.0;
/// Most boxes and pieces of arrows that are laid out.
const MAX_ITEMS: usize = 4000;

/// Widest drawing that is of use to anybody.
const MAX_WIDTH: f64 = 8000.0;

/// Where boxes and arrows are.
#[derive(Clone, PartialEq, Debug)]
pub struct Layout {
    /// Width of the drawing.
    pub width: f64,
    /// Height of the drawing.
    pub height: f64,
    /// The middle of each box.
    pub nodes: Vec<(f64, f64)>,
    /// The way of each arrow, from the lower edge of a box to the upper edge of another.
    pub edges: Vec<Vec<Step>>,
}

/// A point of an arrow's way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Step {
    /// In a smooth curve from the point before.
    Curve(f64, f64),
    /// In a straight line from the point before.
    Line(f64, f64),
}

/// A box, or a piece of an arrow that passes a rank.
struct Item {
    rank: usize,
    x: f64,
    half: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Lays out `diagram`; `None` if it is too large to be readable.
#[must_use]
pub fn layout(diagram: &Diagram) -> Option<Layout> {
    if diagram.nodes.is_empty() || diagram.nodes.len() > MAX_ITEMS {
        return None;
    }
    let mut rank = vec![0usize; diagram.nodes.len()];
    // Boxes are in topological order, so one pass over arrows sorted by their target finds the longest paths.
    let mut edges = diagram.edges.clone();
    edges.sort_by_key(|&(from, to)| (to, from));
    edges.iter().for_each(|&(from, to)| rank[to] = rank[to].max(rank[from] + 1));
    let boxed = |rank| Item { rank, x: 0.0, half: WIDTH / 2.0, above: vec![], below: vec![] };
    let mut items: Vec<Item> = rank.iter().map(|&rank| boxed(rank)).collect();
    // For each arrow the items that it passes.
    let mut ways = Vec::with_capacity(diagram.edges.len());
    for &(from, to) in &diagram.edges {
        let mut way = vec![from];
        for rank in rank[from] + 1..rank[to] {
            items.push(Item { rank, x: 0.0, half: DUMMY / 2.0, above: vec![], below: vec![] });
            way.push(items.len() - 1);
            if items.len() > MAX_ITEMS {
                return None;
            }
        }
        way.push(to);
        for pair in way.windows(2) {
            items[pair[0]].below.push(pair[1]);
            items[pair[1]].above.push(pair[0]);
        }
        ways.push(way);
    }
    let mut ranks: Vec<Vec<usize>> = vec![Vec::new(); rank.iter().max()? + 1];
    items.iter().enumerate().for_each(|(i, item)| ranks[item.rank].push(i));
    sort_by_barycentres(&items, &mut ranks);
    place(&mut items, &ranks);
    let (low, high) = extent(&items, &ranks);
    (high - low <= MAX_WIDTH).then(|| draw(&mut items, &ranks, diagram.nodes.len(), &ways))
}

/// Orders each rank by the mean place of its neighbours above, then below, a few times.
fn sort_by_barycentres(items: &[Item], ranks: &mut [Vec<usize>]) {
    let mut place = vec![0f64; items.len()];
    let number = |rank: &[usize], place: &mut [f64]| {
        rank.iter().enumerate().for_each(|(i, &item)| place[item] = i as f64);
    };
    ranks.iter().for_each(|rank| number(rank, &mut place));
    for sweep in 0..8 {
        let down = sweep % 2 == 0;
        let order: Vec<usize> =
            if down { (0..ranks.len()).collect() } else { (0..ranks.len()).rev().collect() };
        for r in order {
            let key = |item: usize| {
                let near = if down { &items[item].above } else { &items[item].below };
                if near.is_empty() {
                    place[item]
                } else {
                    near.iter().map(|&n| place[n]).sum::<f64>() / near.len() as f64
                }
            };
            let mut keyed: Vec<(f64, usize)> = ranks[r].iter().map(|&item| (key(item), item)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            ranks[r] = keyed.into_iter().map(|(_, item)| item).collect();
            number(&ranks[r], &mut place);
        }
    }
}

/// Gives every item an x near its neighbours', keeping order and distances within the rank.
fn place(items: &mut [Item], ranks: &[Vec<usize>]) {
    let apart = |items: &[Item], a: usize, b: usize| items[a].half + items[b].half + GAP;
    for rank in ranks {
        for pair in rank.windows(2) {
            items[pair[1]].x = items[pair[0]].x + apart(items, pair[0], pair[1]);
        }
        let middle = (items[rank[0]].x + items[rank[rank.len() - 1]].x) / 2.0;
        rank.iter().for_each(|&item| items[item].x -= middle);
    }
    for sweep in 0..12 {
        let down = sweep % 2 == 0;
        let order: Vec<usize> =
            if down { (0..ranks.len()).collect() } else { (0..ranks.len()).rev().collect() };
        for r in order {
            let wish: Vec<f64> = ranks[r]
                .iter()
                .map(|&item| {
                    let near = if down { &items[item].above } else { &items[item].below };
                    match near.len() {
                        0 => items[item].x,
                        n => near.iter().map(|&n| items[n].x).sum::<f64>() / n as f64,
                    }
                })
                .collect();
            // Pushed to the right and pushed to the left: both keep order and distances, and so does their
            // mean.
            let (mut right, mut left) = (wish.clone(), wish);
            for i in 1..right.len() {
                right[i] = right[i].max(right[i - 1] + apart(items, ranks[r][i - 1], ranks[r][i]));
            }
            for i in (1..left.len()).rev() {
                left[i - 1] = left[i - 1].min(left[i] - apart(items, ranks[r][i - 1], ranks[r][i]));
            }
            for (i, &item) in ranks[r].iter().enumerate() {
                items[item].x = (right[i] + left[i]) / 2.0;
            }
        }
    }
}

/// From where to where the items of some ranks reach.
fn extent(items: &[Item], ranks: &[Vec<usize>]) -> (f64, f64) {
    ranks
        .iter()
        .flatten()
        .map(|&i| &items[i])
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), item| {
            (low.min(item.x - item.half), high.max(item.x + item.half))
        })
}

/// Cuts the ranks into columns and writes down every position.
fn draw(items: &mut [Item], ranks: &[Vec<usize>], boxes: usize, ways: &[Vec<usize>]) -> Layout {
    let most = ranks.len().div_ceil(RANKS).min(COLUMNS);
    let mut lengths = (1..=most).rev().map(|columns| ranks.len().div_ceil(columns));
    let per_column = lengths
        .find(|&length| {
            let widths =
                ranks.chunks(length).map(|column| extent(items, column)).map(|(low, high)| high - low);
            widths.map(|width| width + GUTTER).sum::<f64>() - GUTTER <= PAGE
        })
        .unwrap_or(ranks.len());
    let mut x0 = 0.0;
    let mut right = 0.0f64;
    for column in ranks.chunks(per_column) {
        let (low, high) = extent(items, column);
        for &i in column.iter().flatten() {
            items[i].x += x0 - low;
        }
        right = x0 + high - low;
        x0 = right + GUTTER;
    }
    let step = HEIGHT + RANK_GAP;
    // Room above and below for the arrows that change columns.
    let margin = if ranks.len() > per_column { RANK_GAP } else { 4.0 };
    let y = |rank: usize| margin + HEIGHT / 2.0 + (rank % per_column) as f64 * step;
    let height = 2.0 * margin + per_column as f64 * step - RANK_GAP;
    let mut crossings = 0;
    let mut edges = Vec::with_capacity(ways.len());
    for way in ways {
        let at = |i: usize| (items[i].x, y(items[i].rank));
        let half = |i: usize| if i < boxes { HEIGHT / 2.0 } else { 0.0 };
        let (x, top) = at(way[0]);
        let mut steps = vec![Step::Line(x, top + half(way[0]))];
        for pair in way.windows(2) {
            let ((from, _), (to, below)) = (at(pair[0]), at(pair[1]));
            if items[pair[1]].rank.is_multiple_of(per_column) && items[pair[1]].rank > 0 {
                // Into the next column: down, through the gutter, up, and in from above. Neighbours keep
                // apart.
                let lane = f64::from(crossings % 5) * 6.0;
                crossings += 1;
                let column = items[pair[1]].rank / per_column;
                let here = ranks.chunks(per_column).nth(column).unwrap_or_default();
                let (left, _) = extent(items, here);
                let (gutter, floor) = (left - GUTTER / 2.0 - 12.0 + lane, height - 4.0 - lane);
                let ceiling = 4.0 + lane;
                for (x, y) in [(from, floor), (gutter, floor), (gutter, ceiling), (to, ceiling)] {
                    steps.push(Step::Line(x, y));
                }
                steps.push(Step::Line(to, below - half(pair[1])));
            } else {
                steps.push(Step::Curve(to, below - half(pair[1])));
            }
        }
        edges.push(steps);
    }
    let nodes = (0..boxes).map(|i| (items[i].x, y(items[i].rank))).collect();
    Layout { width: right, height, nodes, edges }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::diagram::{Node, Role};

    fn diagram(nodes: usize, edges: &[(usize, usize)]) -> Diagram {
        let node = |i: usize| Node { title: i.to_string(), detail: String::new(), role: Role::Free };
        Diagram { caption: String::new(), nodes: (0..nodes).map(node).collect(), edges: edges.to_vec() }
    }

    fn overlaps(layout: &Layout) -> bool {
        let near = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < WIDTH && (a.1 - b.1).abs() < HEIGHT;
        (0..layout.nodes.len()).any(|i| (0..i).any(|j| near(layout.nodes[i], layout.nodes[j])))
    }

    fn inside(layout: &Layout) -> bool {
        let points = layout.edges.iter().flatten().map(|step| match *step {
            Step::Curve(x, y) | Step::Line(x, y) => (x, y),
        });
        layout
            .nodes
            .iter()
            .flat_map(|&(x, y)| [(x - WIDTH / 2.0, y - HEIGHT / 2.0), (x + WIDTH / 2.0, y + HEIGHT / 2.0)])
            .chain(points)
            .all(|(x, y)| x >= -1e-6 && y >= 0.0 && x <= layout.width + 1e-6 && y <= layout.height)
    }

    #[test]
    fn a_branch_stands_side_by_side_below_its_source() {
        let layout = layout(&diagram(4, &[(0, 1), (0, 2), (1, 3), (2, 3)])).expect("it is small");
        assert!(!overlaps(&layout) && inside(&layout));
        let [(ax, ay), (bx, by), (cx, cy), (dx, dy)] = layout.nodes[..] else { panic!("four boxes") };
        assert!(ay < by && by == cy && cy < dy && bx < cx, "{layout:?}");
        assert!((ax - dx).abs() < 1.0 && (bx + cx) / 2.0 - ax < 1.0, "{layout:?}");
    }

    #[test]
    fn chains_of_any_length_with_skips_do_not_overlap() {
        for n in [1, 2, 5, 18, 19, 60, 200] {
            let mut edges: Vec<(usize, usize)> = (1..n).map(|i| (i - 1, i)).collect();
            edges.extend((4..n).step_by(4).map(|i| (i - 4, i)));
            let layout = layout(&diagram(n, &edges)).expect("it is small");
            assert!(!overlaps(&layout), "{n} boxes overlap");
            assert!(inside(&layout), "{n} boxes are cut off");
            // Every arrow ends at its target's upper edge.
            for (way, &(_, to)) in layout.edges.iter().zip(&edges) {
                let (Step::Curve(x, y) | Step::Line(x, y)) = way[way.len() - 1];
                assert_eq!((x, y), (layout.nodes[to].0, layout.nodes[to].1 - HEIGHT / 2.0));
            }
        }
    }

    #[test]
    fn what_is_too_large_is_not_laid_out() {
        assert_eq!(layout(&diagram(0, &[])), None);
        let skips: Vec<(usize, usize)> = (1..2000).flat_map(|i| [(i - 1, i), (0, i)]).collect();
        assert_eq!(layout(&diagram(2000, &skips)), None);
        assert_eq!(layout(&diagram(1000, &[])), None, "a rank of 1000 boxes");
    }
}
