//! Who opens the gates of a run (language L29): names that were given with it, else whoever can be asked.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::error::RunError;
use crate::base::StepId;
use crate::engine::{Answer, Gate, Gates, Nobody};
use crate::plan::{Plan, Step};

/// Who opens the gates of a run.
#[derive(Clone, Default)]
pub struct Approval {
    /// Steps whose gates are open from the start (`--approve`).
    pub names: Vec<String>,
    /// Asked about all others; they stay shut when there is nobody.
    pub ask: Option<Arc<dyn Gates>>,
}

impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, ask } = self;
        f.debug_struct("Approval").field("names", names).field("ask", &ask.is_some()).finish()
    }
}

impl Approval {
    /// Refuses names of steps that the plan does not have, or that have no gate: somebody would believe that
    /// they had agreed to something.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), RunError> {
        for name in &self.names {
            let mut steps =
                plan.all_steps().map(|(_, step)| step).filter(|step| is_called(step, name)).peekable();
            let found = steps.peek().is_some();
            if !steps.any(|step| step.gate.is_some()) {
                let gates = plan.all_steps().filter(|(_, step)| step.gate.is_some());
                let mut gates: Vec<_> = gates.map(|(_, step)| called(step).to_string()).collect();
                gates.dedup();
                return Err(RunError::NoGate { name: name.clone(), is_step: found, gates });
            }
        }
        Ok(())
    }

    /// Answers the gates of a run.
    pub(super) fn gates(self) -> Arc<dyn Gates> {
        let then = self.ask.unwrap_or_else(|| Arc::new(Nobody));
        Arc::new(Approved { names: self.names, then })
    }
}

struct Approved {
    names: Vec<String>,
    then: Arc<dyn Gates>,
}

impl Gates for Approved {
    fn ask(&self, gate: Gate) -> BoxFuture<'_, Answer> {
        let approved = self.names.iter().any(|name| *name == gate.of.as_str() || *name == gate.step.as_str());
        if approved {
            Box::pin(async { Answer::Opened("by --approve".to_owned()) })
        } else {
            self.then.ask(gate)
        }
    }
}

/// What a gate is opened by.
fn called(step: &Step) -> &StepId {
    step.instance_of.as_ref().unwrap_or(&step.id)
}

fn is_called(step: &Step, name: &str) -> bool {
    called(step).as_str() == name || step.id.as_str() == name
}
