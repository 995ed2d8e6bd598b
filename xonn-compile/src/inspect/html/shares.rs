//! Plans beside each other, and a prediction on shares stage by stage, on a page.

use xonn_program::text::grouped;
use xonn_protocols::describe::Row;

use super::super::text::{bytes, duration};
use super::super::{OnShares, PlanRow, Report};
use super::{Page, escape};

impl Page {
    /// The ways of computing a whole program.
    pub(super) fn plans(&mut self, plans: &[PlanRow]) {
        if plans.is_empty() {
            return;
        }
        self.add(format_args!(
            "<section><h2>Plans</h2>\n<div class=\"scroll\"><table>\n<tr><th>plan</th><th>clients</th>\
             <th>protocols</th><th class=\"n\">the first, bytes</th><th class=\"n\">round trips</th>\
             <th class=\"n\">further ones, bytes</th><th class=\"n\">round trips</th></tr>\n"
        ));
        for plan in plans {
            self.add(format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                plan.first_layer,
                plan.clients,
                plan.protocols.join(", "),
                grouped(plan.first_bytes),
                plan.first_round_trips,
                grouped(plan.further_bytes),
                plan.further_round_trips
            ));
        }
        self.add(format_args!("</table></div>\n"));
        self.times(plans);
        self.add(format_args!(
            "<p class=\"soft\">Plans have the names of <code>serve --first-layer</code>. The first \
             prediction has the set-up of its connection. Times include the hosts' own work, as far as a \
             model of one machine tells it. <code>serve</code> takes the plan whose first prediction is \
             quickest on its link, of those that its <code>--clients</code> allow.</p></section>\n"
        ));
    }

    /// Time by plan and link, of a first prediction and of one that follows.
    fn times(&mut self, plans: &[PlanRow]) {
        self.add(format_args!(
            "<h3>Time, the first / further ones</h3>\n<div class=\"scroll\"><table>\n<tr><th>link</th>"
        ));
        for plan in plans {
            self.add(format_args!("<th class=\"n\">{}</th>", plan.first_layer));
        }
        self.add(format_args!("</tr>\n"));
        for (number, link) in plans[0].links.iter().enumerate() {
            self.add(format_args!("<tr><td>{}</td>", link.name()));
            for plan in plans {
                let [first, further, _] = plan.links[number].first_further_online_ms.map(duration);
                self.add(format_args!("<td class=\"n\">{first} / {further}</td>"));
            }
            self.add(format_args!("</tr>\n"));
        }
        self.add(format_args!("</table></div>\n"));
    }

    /// The plan on shares, or why there is none.
    pub(super) fn shares(&mut self, report: &Report) {
        if let Some(plan) = &report.on_shares {
            self.add(format_args!("<section><h2>A prediction on shares</h2>\n"));
            self.costs(plan);
            self.stages(plan);
            self.add(format_args!("</section>\n"));
        } else if let Some(reason) = &report.not_on_shares {
            self.add(format_args!(
                "<section><h2>Not on shares</h2>\n<p>{}</p>\n<p class=\"soft\">So <code>serve --first-layer \
                 shares</code> refuses it; <code>gc</code>, <code>oca</code> and <code>auto</code> do \
                 not.</p>\
                 </section>\n",
                escape(reason)
            ));
        }
    }

    /// Bytes, round trips and times of a whole prediction.
    fn costs(&mut self, plan: &OnShares) {
        self.add(format_args!(
            "<div class=\"scroll\"><table>\n<tr><th>a prediction</th><th class=\"n\">the first</th>\
             <th class=\"n\">further ones</th><th class=\"n\">with the input</th></tr>\n"
        ));
        let mut row = |name: &str, cells: [String; 3]| {
            let [first, further, online] = cells;
            self.add(format_args!(
                "<tr><td>{name}</td><td class=\"n\">{first}</td><td class=\"n\">{further}</td>\
                 <td class=\"n\">{online}</td></tr>\n"
            ));
        };
        row("bytes", [plan.first_bytes, plan.further_bytes, plan.online_bytes].map(bytes));
        row("round trips", plan.round_trips.map(|trips| trips.to_string()));
        for link in &plan.links {
            row(&link.name(), link.first_further_online_ms.map(duration));
        }
        self.add(format_args!(
            "</table></div>\n<p class=\"soft\">By <code>serve --clients semi-honest --first-layer \
             shares</code>: a client that cheats can learn weights. {}</p>\n",
            plan.exactness(|bits| format!("2<sup>-{bits}</sup>"))
        ));
    }

    /// Which protocol computes which layers.
    fn stages(&mut self, plan: &OnShares) {
        self.add(format_args!(
            "<div class=\"scroll\"><table>\n<tr><th>layers</th><th>protocol</th><th>parameters</th>\
             <th>leaves</th><th class=\"n\">ahead, up</th><th class=\"n\">ahead, down</th>\
             <th class=\"n\">with the input, up</th><th class=\"n\">with the input, down</th>\
             <th class=\"n\">round trips</th></tr>\n"
        ));
        let number = |number: u64| if number == 0 { String::new() } else { bytes(number) };
        for stage in &plan.stages {
            let Row {
                layers, protocol, parameters, leaves, offline_bytes, online_bytes, round_trips, ..
            } = stage;
            let [layers, protocol, parameters, leaves] = [layers, *protocol, parameters, leaves].map(escape);
            self.add(format_args!(
                "<tr><td>{layers}</td><td>{protocol}</td><td>{parameters}</td><td>{leaves}</td>"
            ));
            let trips = if *round_trips == 0.0 { String::new() } else { round_trips.to_string() };
            let costs = offline_bytes.iter().chain(online_bytes).map(|&bytes| number(bytes));
            for cell in costs.chain([trips]) {
                self.add(format_args!("<td class=\"n\">{cell}</td>"));
            }
            self.add(format_args!("</tr>\n"));
        }
        self.add(format_args!("</table></div>\n"));
        let sentence = plan.not_taken.as_ref().map_or_else(
            || "All layers are on shares; a garbled circuit makes the output of them.".to_owned(),
            super::super::NotTaken::sentence,
        );
        self.add(format_args!(
            "<p class=\"soft\">{} Ahead: what is sent before there is an input.</p>\n",
            escape(&sentence)
        ));
    }
}
