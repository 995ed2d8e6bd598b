//! What goes over the wire is what `cost` says.

use crate::common::{Hosts, Links, Mode, dice};
use crate::{every_stage, programs, values};

#[test]
fn bytes_and_flights_are_those_of_the_cost() {
    let (dice, links) = (&mut dice(2), &mut Links::new());
    every_stage(|protocol, sample, stage| {
        let program = &sample.program;
        let what = format!("{}, {}, {stage:?}", sample.name, protocol.name());
        let model = programs::model(program, dice);
        let hosts = Hosts::new(protocol, stage, program, &model);
        let cost = protocol.cost(stage, program).expect("it has a cost");
        assert_eq!(hosts.rows(), [cost.rows; 2], "{what}");
        for mode in Mode::ALL {
            let reads: Vec<_> = (0..3)
                .map(|_| values::reads(stage, program, &model, &programs::sample(program, dice), dice).0)
                .collect();
            let [server, client] = hosts.predict(links, mode, &reads, &|_, _, _| {}).sent;
            let count = reads.len() as u64;
            assert_eq!([client.set_up, server.set_up], [cost.set_up.up, cost.set_up.down], "{what}");
            let offline = [cost.offline.up, cost.offline.down].map(|bytes| bytes * count);
            assert_eq!([client.offline, server.offline], offline, "{what}");
            let online = [cost.online.up, cost.online.down].map(|bytes| bytes * count);
            assert_eq!([client.online, server.online], online, "{what}");
            // A round trip is two flights.
            let flights = (client.flights + server.flights) as f64;
            assert_eq!(flights, 2.0 * cost.online.rounds * count as f64, "{what}");
            assert_eq!([&server.out_of_turn, &client.out_of_turn], [&Vec::<String>::new(); 2], "{what}");
        }
    });
}
