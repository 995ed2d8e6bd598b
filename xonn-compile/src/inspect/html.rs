//! Reports as one self-contained page: no script, no font, no picture from anywhere else.
//!
//! Names come from the model's author and are escaped wherever they stand; a policy in the page forbids
//! scripts and everything external on top of that.

mod ranges;
mod shares;

use std::fmt::Write;

use xonn_circuits::tiled::traffic::Traffic;
use xonn_program::text::grouped;

use super::network::Estimate;
use super::svg::svg;
use super::text::{BOUND, TRAFFIC, by_trust, bytes, duration, groups, ratio, shape, traffic_cells};
use super::{Costs, FileKind, NetlistCosts, Problem, Report, Row};
use crate::notes::folded;

const STYLE: &str = include_str!("html/style.css");

/// Text that means itself, between tags and in quoted attributes. Control characters become spaces.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The whole page.
#[must_use]
pub fn html(report: &Report) -> String {
    let name = report.file.rsplit('/').next().unwrap_or(&report.file);
    let (name, file) = (escape(name), escape(&report.file));
    let mut page = Page(String::new());
    page.add(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <svg class=\"defs\" aria-hidden=\"true\"><defs>\
         <marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\"/></marker></defs></svg>\n\
         <main>\n<h1>{name}</h1>\n"
    ));
    let kind = match report.kind {
        FileKind::Model => "Keras model",
        FileKind::Package => "compiled package",
        FileKind::Netlist => "Bristol netlist",
    };
    let digest = report
        .digest
        .as_ref()
        .map_or(String::new(), |digest| format!(", SHA-256 <code>{}</code>", escape(digest)));
    page.add(format_args!("<p class=\"soft\">{kind} <code>{file}</code>{digest}</p>\n"));
    if !report.problems.is_empty() {
        page.problems(&report.problems);
    }
    if let Some(costs) = &report.costs {
        page.program_tiles(costs, report);
    }
    if let Some(netlist) = &report.netlist {
        page.netlist(netlist);
    }
    page.notes(&report.notes);
    if let Some(costs) = &report.costs {
        page.bars(costs);
        page.table(costs, report.networks.first());
    }
    page.ranges(&report.ranges);
    page.traffic(&report.traffic);
    page.plans(&report.plans);
    page.shares(report);
    page.networks(&report.networks);
    for diagram in &report.diagrams {
        let drawing =
            svg(diagram).map(|svg| format!("<div class=\"scroll\">{svg}</div>")).unwrap_or_else(|| {
                "<p class=\"soft\">Too large to draw here: --format dot writes it for Graphviz.</p>".into()
            });
        page.add(format_args!("<section><h2>{}</h2>\n{drawing}</section>\n", escape(&diagram.caption)));
    }
    page.0.push_str("</main>\n</body>\n</html>\n");
    page.0
}

struct Page(String);

impl Page {
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(text); // writing to a String cannot fail
    }

    fn problems(&mut self, problems: &[Problem]) {
        self.add(format_args!(
            "<section class=\"warn\"><h2>Cannot be compiled</h2>\n<div class=\"scroll\"><table>\n<tr>\
             <th>layer</th><th>class</th><th>attribute</th><th>what is wrong</th><th>what to do</th></tr>\n"
        ));
        for p in problems {
            let layer = if p.layer.is_empty() { "the model" } else { &p.layer };
            let [layer, class, attribute, reason, advice] =
                [layer, &p.class, &p.attribute, &p.reason, &p.advice].map(escape);
            self.add(format_args!(
                "<tr><td><b>{layer}</b></td><td>{class}</td><td>{attribute}</td>\
                 <td class=\"wrap\">{reason}</td><td class=\"wrap\">{advice}</td></tr>\n"
            ));
        }
        self.0.push_str("</table></div></section>\n");
    }

    fn notes(&mut self, notes: &[String]) {
        if notes.is_empty() {
            return;
        }
        self.0.push_str("<section><h2>Notes from compiling</h2>\n");
        for notes in folded(notes).chunk_by(|a, b| a.kind == b.kind) {
            self.add(format_args!("<p class=\"soft\">{}</p><ul>\n", escape(notes[0].kind.title())));
            for note in notes {
                self.add(format_args!("<li>{}</li>\n", escape(&note.to_string())));
            }
            self.0.push_str("</ul>\n");
        }
        self.0.push_str("</section>\n");
    }

    fn tiles(&mut self, tiles: &[(String, &str)]) {
        self.0.push_str("<div class=\"tiles\">\n");
        for (value, name) in tiles {
            self.add(format_args!("<div class=\"tile\"><b>{}</b><span>{name}</span></div>\n", escape(value)));
        }
        self.0.push_str("</div>\n");
    }

    fn program_tiles(&mut self, costs: &Costs, report: &Report) {
        let [default, trusting] = by_trust(&report.traffic);
        let mut tiles = vec![(grouped(costs.total.and.total()), "AND gates")];
        tiles.extend(default.map(|way| (bytes(way.inference), "a prediction, by default")));
        tiles.extend(trusting.map(|way| (bytes(way.inference), "by conditional addition")));
        let shares = report.on_shares.as_ref();
        tiles.extend(shares.map(|plan| (bytes(plan.further_bytes), "on shares, behind the first")));
        tiles.extend([
            (bytes(costs.total.bytes), "garbled tables"),
            (grouped(costs.layers.len() as u64), "layers"),
            (grouped(costs.input_bits as u64), "input bits (client)"),
            (grouped(costs.secret_bits), "secret bits (server)"),
        ]);
        tiles.extend(costs.total.bound_ratio.map(|r| (format!("{r:.3}"), "ANDs / least, binary layers")));
        tiles.extend(report.networks.first().map(|e| (duration(e.total_ms), "an inference")));
        self.tiles(&tiles);
    }

    fn netlist(&mut self, netlist: &NetlistCosts) {
        let s = netlist.stats;
        self.tiles(&[
            (grouped(s.and), "AND gates"),
            (grouped(s.xor), "XOR gates"),
            (grouped(s.inv), "INV gates"),
            (grouped(s.eq), "EQ and EQW gates"),
            (s.and_depth.to_string(), "AND-depth"),
            (bytes(netlist.bytes), "garbled tables"),
        ]);
        let whose = match netlist.inputs.len() {
            0 | 1 => "All inputs are taken to be the evaluator's.".to_owned(),
            _ => format!(
                "If group 0 is the garbler's: {} full, {} half and {} free ANDs.",
                grouped(netlist.and.full),
                grouped(netlist.and.half),
                grouped(netlist.and.free)
            ),
        };
        self.add(format_args!(
            "<section><h2>Inputs and outputs</h2><p>Input groups: {}. Output groups: {}. {} wires.</p>\
             <p class=\"soft\">{whose}</p></section>\n",
            groups(&netlist.inputs),
            groups(&netlist.outputs),
            grouped(s.wires)
        ));
    }

    fn bars(&mut self, costs: &Costs) {
        self.0.push_str("<div class=\"two\">\n");
        self.chart("ANDs per layer", "", costs, |row| row.and.total(), grouped);
        self.chart("Bytes per layer", " bytes", costs, |row| row.bytes, bytes);
        self.0.push_str("</div>\n");
    }

    fn chart(
        &mut self,
        title: &str,
        class: &str,
        costs: &Costs,
        of: fn(&Row) -> u64,
        show: fn(u64) -> String,
    ) {
        let largest = costs.layers.iter().map(of).max().unwrap_or(0).max(1);
        self.add(format_args!("<section><h2>{title}</h2><div class=\"bars{class}\">\n"));
        for row in &costs.layers {
            let value = of(row);
            let name = escape(&row.name);
            self.add(format_args!(
                "<div class=\"name\" title=\"{name}\">{name}</div><div class=\"track\"><div class=\"fill\" \
                 style=\"width:{:.2}%\"></div></div><div class=\"value\">{}</div>\n",
                100.0 * value as f64 / largest as f64,
                show(value)
            ));
        }
        self.0.push_str("</div></section>\n");
    }

    fn table(&mut self, costs: &Costs, estimate: Option<&Estimate>) {
        let time = if estimate.is_some() { "<th class=\"n\">time</th>" } else { "" };
        self.add(format_args!(
            "<section><h2>Layers</h2><div class=\"scroll\"><table>\n<tr><th>layer</th><th>type</th>\
             <th>shape</th><th class=\"n\">fan-in</th><th class=\"n\">instances</th><th class=\"n\">AND</th>\
             <th class=\"n\">least</th><th class=\"n\">AND/least</th><th class=\"n\">free gates</th>\
             <th class=\"n\">AND-depth</th><th class=\"n\">bytes</th>{time}</tr>\n"
        ));
        for (i, row) in costs.layers.iter().chain(std::iter::once(&costs.total)).enumerate() {
            let total = i == costs.layers.len();
            let numbers = [
                if row.fan_in > 0 { row.fan_in.to_string() } else { String::new() },
                grouped(row.instances),
                grouped(row.and.total()),
                row.lower_bound.map_or(String::new(), grouped),
                ratio(row.bound_ratio),
                grouped(row.free),
                row.and_depth.to_string(),
                grouped(row.bytes),
            ];
            self.add(format_args!(
                "<tr{}><td>{}</td><td>{}</td><td>{}</td>",
                if total { " class=\"total\"" } else { "" },
                escape(&row.name),
                escape(&row.kind),
                shape(&row.shape)
            ));
            numbers.iter().for_each(|number| self.add(format_args!("<td class=\"n\">{number}</td>")));
            if let Some(estimate) = estimate {
                let all = estimate.layers_ms.iter().sum();
                let ms = estimate.layers_ms.get(i).copied().unwrap_or(all);
                self.add(format_args!("<td class=\"n\">{}</td>", duration(ms)));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</table></div>\n");
        if costs.total.lower_bound.is_some() {
            self.add(format_args!("<p class=\"soft\">{}</p>\n", escape(BOUND)));
        }
        self.0.push_str("</section>\n");
    }

    fn traffic(&mut self, ways: &[Traffic]) {
        if ways.is_empty() {
            return;
        }
        self.0.push_str("<section><h2>Bytes of a prediction</h2><div class=\"scroll\"><table>\n<tr>");
        for (i, header) in TRAFFIC.iter().enumerate() {
            self.add(format_args!("<th{}>{header}</th>", if i < 3 { "" } else { " class=\"n\"" }));
        }
        self.0.push_str("</tr>\n");
        for way in ways {
            self.0.push_str("<tr>");
            for (i, cell) in traffic_cells(way).iter().enumerate() {
                self.add(format_args!("<td{}>{cell}</td>", if i < 3 { "" } else { " class=\"n\"" }));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str(
            "</table></div>\n<p class=\"soft\">The first row is what <code>xonn-run serve</code> does if \
             nothing else is said. Rows of semi-honest clients need <code>--clients semi-honest</code>. gc: \
             first layers are garbled like all others; oca: their sums are by oblivious conditional addition. \
             What a connection takes is sent once.</p></section>\n",
        );
    }

    fn networks(&mut self, networks: &[Estimate]) {
        if networks.is_empty() {
            return;
        }
        self.0.push_str(
            "<section><h2>Time of one inference</h2><div class=\"scroll\"><table>\n<tr><th class=\"n\">round \
             trip</th><th class=\"n\">bandwidth</th><th class=\"n\">bytes</th><th class=\"n\">transfer</th>\
             <th class=\"n\">round trips</th><th class=\"n\">gates</th><th class=\"n\">an inference</th>\
             <th class=\"n\">to connect</th></tr>\n",
        );
        for e in networks {
            self.add(format_args!(
                "<tr><td class=\"n\">{} ms</td><td class=\"n\">{} Mbit/s</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">\
                 <b>{}</b></td><td class=\"n\">{}</td></tr>\n",
                e.network.rtt_ms,
                e.network.mbps,
                grouped(e.bytes),
                duration(e.transfer_ms),
                e.round_trips,
                duration(e.compute_ms),
                duration(e.total_ms),
                duration(e.connect_ms)
            ));
        }
        self.add(format_args!(
            "</table></div>\n<p class=\"soft\">Half gates, bytes over bandwidth plus round trips plus gates \
             at {} ANDs a second, one after the other; hosts that compute while they send are faster. \
             Connecting is paid once.</p></section>\n",
            grouped(networks[0].network.and_rate as u64)
        ));
    }
}
