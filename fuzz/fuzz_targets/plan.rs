//! A server's plan on shares: a client takes it or says why not, and neither takes more memory, rows or time
//! than the plan's length and the program allow.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::{Planned, plans};
use xonn_fuzz::overlay::overlay;
use xonn_protocols::plan::Plan;
use xonn_protocols::run::Client;

#[derive(Arbitrary, Debug)]
enum Words {
    /// Bytes of the fuzzer's alone, or over those of an honest plan.
    Bytes(Vec<u8>),
    /// An honest plan with some things changed.
    Changed(Vec<Change>),
}

#[derive(Arbitrary, Debug)]
enum Change {
    /// A number, by its place in the plan.
    Number {
        place: u16,
        value: u64,
    },
    /// A number that is near to what it was.
    Near {
        place: u16,
        by: i8,
    },
    /// A part is that of another place.
    Copy {
        to: u16,
        from: u16,
    },
    /// An element of a list comes again, or not at all.
    Repeat {
        place: u16,
        element: u8,
        times: u8,
    },
    Remove {
        place: u16,
        element: u8,
    },
    Swap {
        place: u16,
        element: u8,
        other: u8,
    },
}

/// An honest plan as it is sent and read, and what it takes.
struct Honest {
    bytes: Vec<u8>,
    json: Value,
    memory: Memory,
    rows: usize,
}

fn honest() -> &'static [Honest] {
    static HONEST: OnceLock<Vec<Honest>> = OnceLock::new();
    HONEST.get_or_init(|| {
        let of = |planned: &Planned| {
            let (client, memory) = Memory::of(|| Client::new(planned.plan.clone(), &planned.program));
            let rows = client.expect("an honest plan").rows();
            let bytes = planned.plan.to_bytes();
            let json = serde_json::from_slice(&bytes).expect("JSON");
            Honest { bytes, json, memory, rows: rows.leaves + rows.masks + rows.tweaks }
        };
        plans().iter().map(of).collect()
    })
}

/// All values of a document, from the outside in.
fn places(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    visit(value);
    match value {
        Value::Array(all) => all.iter_mut().for_each(|value| places(value, visit)),
        Value::Object(all) => all.values_mut().for_each(|value| places(value, visit)),
        _ => {}
    }
}

/// Does something to one place of those that `wanted` names.
fn at(plan: &mut Value, place: u16, wanted: fn(&Value) -> bool, change: &mut dyn FnMut(&mut Value)) {
    let mut count = 0;
    places(plan, &mut |value| count += usize::from(wanted(value)));
    let Some(place) = usize::from(place).checked_rem(count) else { return };
    let mut number = 0;
    places(plan, &mut |value| {
        if wanted(value) {
            if number == place {
                change(value);
            }
            number += 1;
        }
    });
}

impl Change {
    fn apply(&self, plan: &mut Value) {
        let list = |place: u16, plan: &mut Value, change: &mut dyn FnMut(&mut Vec<Value>)| {
            at(plan, place, Value::is_array, &mut |value| {
                if let Value::Array(all) = value
                    && !all.is_empty()
                {
                    change(all);
                }
            });
        };
        match *self {
            Self::Number { place, value } => {
                at(plan, place, Value::is_number, &mut |number| *number = value.into());
            }
            Self::Near { place, by } => at(plan, place, Value::is_number, &mut |number| {
                *number = number.as_i64().unwrap_or(0).wrapping_add(by.into()).into();
            }),
            Self::Copy { to, from } => {
                let mut part = Value::Null;
                at(plan, from, |_| true, &mut |value| part = value.clone());
                at(plan, to, |_| true, &mut |value| *value = part.clone());
            }
            Self::Repeat { place, element, times } => list(place, plan, &mut |all| {
                let number = usize::from(element) % all.len();
                let again = all[number].clone();
                all.splice(number..number, std::iter::repeat_n(again, times.into()));
            }),
            Self::Remove { place, element } => list(place, plan, &mut |all| {
                all.remove(usize::from(element) % all.len());
            }),
            Self::Swap { place, element, other } => list(place, plan, &mut |all| {
                let count = all.len();
                all.swap(usize::from(element) % count, usize::from(other) % count);
            }),
        }
    }
}

fuzz_target!(init: { honest(); }, |input: (u8, Words)| {
    let (number, words) = input;
    let number = usize::from(number) % plans().len();
    let (planned, honest) = (&plans()[number], &honest()[number]);
    let bytes = match words {
        Words::Bytes(bytes) => overlay(&honest.bytes, &bytes),
        Words::Changed(changes) => {
            let mut plan = honest.json.clone();
            changes.iter().take(8).for_each(|change| change.apply(&mut plan));
            serde_json::to_vec(&plan).expect("JSON")
        }
    };
    if bytes.len() > 1 << 20 {
        return;
    }
    let (taken, memory) = Memory::of(|| {
        let plan = Plan::from_bytes(&bytes, &planned.program).map_err(|error| error.to_string())?;
        Client::new(plan, &planned.program).map_err(|error| error.to_string())
    });
    // What is read of a plan is some times as long as its text.
    memory.check(honest.memory, 64 * bytes.len());
    if let Ok(client) = taken {
        let rows = client.rows();
        let rows = rows.leaves + rows.masks + rows.tweaks;
        assert!(rows <= 64 * honest.rows.max(64), "{rows} rows, an honest plan's: {}", honest.rows);
        let again = Plan::from_bytes(&client.plan().to_bytes(), &planned.program);
        assert_eq!(again.expect("it was taken"), *client.plan());
    }
});
