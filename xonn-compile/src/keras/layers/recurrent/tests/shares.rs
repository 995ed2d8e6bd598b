//! Recurrent layers on shares: all steps, with the state shared between them.

use xonn_crypto::garble::Scheme;
use xonn_program::Prediction;
use xonn_protocols::planner;
use xonn_protocols::run::{Client, Server};

use super::*;

#[path = "../../../../../../protocols/tests/support/plan.rs"]
mod plan;

/// Nothing but the answer is left to the circuit, bytes are those of the cost, and scores those of the
/// integers but for what curves and rounding are off by.
#[test]
fn steps_go_on_shares() {
    let samples = samples(32, 12);
    let hard = json!({ "recurrent_activation": "hard_sigmoid" });
    let kinds = [
        layer("LSTM", json!({})),
        layer("LSTM", hard.clone()),
        layer("SimpleRNN", json!({})),
        layer("SimpleRNN", json!({ "activation": "relu" })),
        layer("GRU", json!({})),
        layer("GRU", json!({ "reset_after": false })),
    ];
    for layer in kinds {
        let graph = Model::new(3, &layer, 13, 1.0).graph().expect("it can be read");
        let network = compiled(&graph, &samples, OutputMode::Scores, (12, 10));
        let program = network.program();
        let (plan, stop) =
            planner::on_shares_until(program, Scheme::ALL[0]).unwrap_or_else(|e| panic!("{layer}: {e}"));
        // The scores' own scale, which nothing rounds as numbers are.
        assert!(stop.as_ref().is_none_or(|not| not.op == "scale"), "{layer}: {stop:?}");
        let circuit = &plan.stages.last().expect("a stage").layers;
        assert!(circuit[0] + 2 >= program.layers().len(), "{layer}: {circuit:?}");
        let cost = plan.cost(program).expect("our own plan");
        let server = Server::new(plan.clone(), program, network.tensors()).expect("our own plan");
        let client = Client::new(plan, program).expect("our own plan");
        let plan::Predicted { outputs, sent } = plan::predict(&server, &client, &samples[..1], 0, 1);
        let sent: u64 = sent.as_flattened().iter().sum();
        assert_eq!(sent, cost.first().bytes(), "{layer}");
        let OutputEncoding::Scores { scale, .. } = *network.output() else { panic!("scores were asked for") };
        let Prediction::Scores(found) = network.output().decode(&outputs[0]) else { panic!("scores") };
        let want = &network.evaluate(&samples[..1]).expect("in range")[0].scores;
        let most = want.iter().map(|score| score.abs()).max().unwrap_or(1) as f64;
        let off = found.iter().zip(want).map(|(found, want)| (found / scale - *want as f64).abs() / most);
        let off = off.fold(0.0, f64::max);
        assert!(off < 0.02, "{layer}: off by {off}");
    }
}
