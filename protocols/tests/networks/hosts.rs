//! Both hosts of a plan, the client's from the plan as it is sent.

use xonn_program::{Program, Tensor};
use xonn_protocols::plan::Plan;
use xonn_protocols::protocol::StageError;
use xonn_protocols::run::{Client, Server};

/// The output bits of each sample, all on one connection: `ahead` of them prepared before any input.
pub fn predict(
    plan: Plan,
    program: &Program,
    tensors: &[Tensor],
    samples: &[Vec<i64>],
    ahead: usize,
) -> Result<Vec<Vec<bool>>, StageError> {
    let sent = Plan::from_bytes(&plan.to_bytes(), program)?;
    let (server, client) = (Server::new(plan, program, tensors)?, Client::new(sent, program)?);
    Ok(crate::plan::predict(&server, &client, samples, ahead, 1).outputs)
}
