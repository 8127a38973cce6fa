//! A step as the rules between steps see it: its name and place, what it needs, how often it is there.

use super::matrix::{Instance, Matrix};
use super::services::Services;
use super::when::When;
use crate::base::Span;
use crate::frontend::origin::Names;

/// A step.
pub(super) struct Declared<'n> {
    pub(super) name: &'n str,
    pub(super) span: Span,
    pub(super) stage: usize,
    /// Set for the steps of `on_failure` and `finally`.
    pub(super) apart: Option<&'static str>,
    /// What it waits for instead of all earlier stages.
    pub(super) needed: Option<Needed<'n>>,
    /// Whether it runs at all.
    pub(super) when: Option<When<'n>>,
    /// Its instances, when it is there several times.
    pub(super) matrix: Option<Matrix<'n>>,
    /// The services that it alone has.
    pub(super) services: Services,
    /// The variables that its own `env` sets.
    pub(super) env: Names,
}

/// What `needs` gives.
#[derive(Default)]
pub(super) struct Needed<'n> {
    /// The first that passes is enough.
    pub(super) any: bool,
    pub(super) steps: Vec<Need<'n>>,
}

/// One item of `needs`.
pub(super) struct Need<'n> {
    pub(super) name: &'n str,
    pub(super) span: Span,
    /// Only the instances with these values.
    pub(super) instance: Option<Instance<'n>>,
    /// Where there is no such step, or no such instance, nothing is waited for.
    pub(super) optional: bool,
}
