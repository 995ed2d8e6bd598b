//! The numbers of each layer beside what their bits hold, drawn.

use std::fmt::Write;

use xonn_program::text::grouped;

use super::super::Ranges;
use super::{Page, escape};

/// Size of a picture.
const SIZE: [f64; 2] = [264.0, 92.0];

/// Where bars stand, and how high the highest is.
const FLOOR: f64 = 66.0;
const HIGHEST: f64 = 58.0;

impl Page {
    /// A small picture for each layer of numbers.
    pub(super) fn ranges(&mut self, all: &[Ranges]) {
        if all.is_empty() {
            return;
        }
        self.add(format_args!(
            "<section><h2>Numbers on the samples</h2>\n<p class=\"soft\">Of each layer of hidden numbers, how \
             many have how many binary digits: below 0 to the left, above to the right. The frame is what \
             their bits hold; what is empty at its ends is room for other inputs. This tells of the weights \
             and the samples: it is for the model's owner, and no part of a package.</p>\n\
             <div class=\"ranges\">\n"
        ));
        for ranges in all {
            let spare = match ranges.lost {
                0 => format!("{:.1} bits to spare", ranges.spare()),
                lost => format!("{} do not fit", grouped(lost)),
            };
            self.add(format_args!(
                "<figure{}><figcaption><b>{}</b> {}</figcaption>{}<p class=\"soft\">{} to {} in {} bits, \
                 {spare}</p></figure>\n",
                if ranges.lost > 0 { " class=\"lost\"" } else { "" },
                escape(&ranges.layer),
                escape(&ranges.class),
                picture(ranges),
                signed(ranges.ends[0]),
                signed(ranges.ends[1]),
                ranges.bits
            ));
        }
        self.0.push_str("</div></section>\n");
    }
}

/// Bars by the number of digits; the number 0 is in the middle.
fn picture(ranges: &Ranges) -> String {
    let [width, height] = SIZE;
    let bits = ranges.bits as usize;
    // -(bits - 1) to bits - 1 digits.
    let step = width / (2 * bits - 1) as f64;
    let counts = ranges.digits.iter().flatten();
    let most = counts.copied().max().unwrap_or(0).max(1) as f64;
    let mut out = format!(
        "<svg class=\"ranges\" role=\"img\" aria-label=\"numbers of {} by their binary digits\" \
         viewBox=\"0 0 {width} {height}\"><rect class=\"frame\" x=\"0.5\" y=\"0.5\" width=\"{:.1}\" \
         height=\"{:.1}\"/>",
        escape(&ranges.layer),
        width - 1.0,
        FLOOR - 0.5
    );
    let middle = |digits: i64| (digits + bits as i64 - 1) as f64 * step + step / 2.0;
    for (side, row) in [-1i64, 1].into_iter().zip(&ranges.digits) {
        for (digits, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let tall = (HIGHEST * count as f64 / most).max(1.0);
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "<rect class=\"bar\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{tall:.2}\"/>",
                middle(side * digits as i64) - 0.4 * step,
                FLOOR - tall,
                0.8 * step
            );
        }
    }
    let last = bits as i64 - 1;
    let half = last / 2;
    let marks = [(-last, "start"), (-half, "middle"), (0, "middle"), (half, "middle"), (last, "end")];
    for (digits, anchor) in marks {
        let text = match digits {
            0 => "0".to_owned(),
            digits => format!(
                "{}2<tspan class=\"high\" dy=\"-4\">{}</tspan>",
                if digits < 0 { "\u{2212}" } else { "" },
                digits.abs()
            ),
        };
        let x = match anchor {
            "start" => 1.0,
            "end" => width - 1.0,
            _ => middle(digits),
        };
        let _ = write!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
            FLOOR + 17.0
        );
    }
    out.push_str("</svg>");
    out
}

fn signed(x: i64) -> String {
    let minus = if x < 0 { "\u{2212}" } else { "" };
    format!("{minus}{}", grouped(x.unsigned_abs()))
}
