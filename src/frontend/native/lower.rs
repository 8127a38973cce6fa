//! Lowers a pipeline: its stages, and what they hand to their steps.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::declared::Declared;
use super::keys;
use super::matrix::Matrix;
use super::pipeline_values::PipelineValues;
use super::read::{Field, Fields, Reader};
use super::scope::Variables;
use super::secrets::Secrets;
use super::services::Around;
use super::step::{Defaults, Place, WORKSPACE};
use super::values::is_plain;
use super::when::{Conditions, When};
use crate::base::{Diagnostic, SourceText, StageId, StepId};
use crate::frontend::lines::Lines;
use crate::frontend::origin::{Names, OfStep, names};
use crate::frontend::yaml::{Node, Value};
use crate::frontend::{Given, NotAccepted, Origins, codes};
use crate::plan::{self, After, OnStepFailure, Plan, Scope, Sharing, Stage, Step, Text, Volume};

const RUN_TIMEOUT: Duration = Duration::from_hours(6);
const FINALLY_TIMEOUT: Duration = Duration::from_mins(5);
const ON_FAILURE: &str = "on_failure";
const FINALLY: &str = "finally";
/// How much text all steps together may take over from the pipeline and their stages.
const MAX_INHERITED: usize = 64 << 20;

/// A pipeline as it was lowered.
pub(in crate::frontend) struct Lowered {
    /// Only good when nothing was reported and nothing refused.
    pub(in crate::frontend) plan: Plan,
    pub(in crate::frontend) origins: Origins,
    /// What is wrong with what the run was given.
    pub(in crate::frontend) refused: Option<NotAccepted>,
}

/// Lowers a document to a plan, adding what is wrong with it to `found`.
pub(in crate::frontend) fn lower(
    source: &SourceText,
    root: &Node<'_>,
    given: &Given<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Lowered> {
    if !matches!(root.value, Value::Map(_)) {
        let message = format!("a pipeline is a mapping, not {}", root.kind());
        let help = "it begins with `stages:`";
        found.push(Diagnostic::error(codes::WRONG_KIND, root.span, message).with_help(help));
        return None;
    }
    let lines = Lines::new(&source.text);
    let mut reader = Reader::new(source, *given, found);
    let fields = reader.fields(&keys::PIPELINE, Field::new("pipeline", root));
    if let Some(field) = fields.get("version") {
        reader.version(field);
    }
    let values = reader.pipeline_values(&fields, given);
    let defaults = reader.defaults(fields.get("defaults"));
    let secrets = reader.secrets(fields.get("secrets"));
    let mut lowering = Lowering {
        reader,
        lines: &lines,
        defaults,
        values,
        secrets,
        inherited: Inherited::default(),
        stage_lines: HashMap::new(),
        declared: Vec::new(),
        owners: Vec::new(),
        origins: Vec::new(),
        whens: Vec::new(),
        around: Around::default(),
        scopes: BTreeMap::new(),
    };
    let plan = lowering.pipeline(source, &fields);
    lowering.values.clashes(&lowering.declared, given);
    let Lowering { values, origins, .. } = lowering;
    Some(Lowered { plan, origins: values.origins(origins), refused: values.refused() })
}

struct Lowering<'n, 'd, 'l> {
    reader: Reader<'d>,
    lines: &'l Lines<'l>,
    defaults: Defaults,
    values: PipelineValues<'n>,
    secrets: Secrets,
    inherited: Inherited,
    stage_lines: HashMap<&'n str, usize>,
    declared: Vec<Declared<'n>>,
    /// Which of them each step of the plan is of, in the plan's order.
    owners: Vec<Option<usize>>,
    /// Who has set their variables, in the same order.
    origins: Vec<OfStep>,
    /// Of each stage whether its steps run, with its environment.
    whens: Vec<Option<(When<'n>, BTreeMap<String, Text>)>>,
    /// The services around all stages.
    around: Around,
    scopes: BTreeMap<String, Scope>,
}

impl<'n> Lowering<'n, '_, '_> {
    fn pipeline<'s>(&mut self, source: &SourceText, fields: &Fields<'n, 's>) -> Plan {
        let name = fields.get("name").and_then(|field| self.reader.name(field));
        let timeout = fields.get("timeout").and_then(|field| self.reader.duration(field));
        let services = self.reader.services(fields, &self.around, self.lines);
        self.around = self.around.with("pipeline".to_owned(), services, &mut self.scopes);
        let stages = self.stages(fields);
        let on_failure = fields.get(ON_FAILURE).map(|field| {
            let steps = self.apart(field, ON_FAILURE, stages.len());
            stage(ON_FAILURE, After::Failure, OnStepFailure::GoOn, None, steps)
        });
        let finally = fields.get(FINALLY).map(|field| {
            let steps = self.apart(field, FINALLY, stages.len() + 1);
            stage(FINALLY, After::Always, OnStepFailure::GoOn, Some(FINALLY_TIMEOUT), steps)
        });
        self.reader.graph(&self.declared, self.lines);
        let needs = self.reader.resolve(&self.declared);
        let workspace = Volume::Capture { sharing: Sharing::Shared };
        let mut plan = Plan {
            version: plan::VERSION,
            name: name.unwrap_or("pipeline").to_owned(),
            dialect: "native".to_owned(),
            file: Some(source.name.to_string()),
            timeout: timeout.unwrap_or(RUN_TIMEOUT),
            volumes: BTreeMap::from([(WORKSPACE.to_owned(), workspace)]),
            scopes: std::mem::take(&mut self.scopes),
            stages,
            on_failure,
            finally,
        };
        for (step, owner) in plan.all_steps_mut().zip(&self.owners) {
            step.needs = owner.and_then(|owner| needs.get(owner)?.clone());
        }
        let (steps, owners, stages) = (&self.declared, &self.owners, &self.whens);
        let conditions = Conditions { steps, owners, stages, lines: self.lines };
        self.reader.conditions(&mut plan, &conditions);
        self.reader.left_over(&mut plan, &self.declared, &self.owners);
        plan
    }

    fn stages<'s>(&mut self, fields: &Fields<'n, 's>) -> Vec<Stage> {
        let Some(field) = fields.get("stages") else { return Vec::new() };
        let items = self.list(field, "a list of stages", "a pipeline has at least one stage");
        items.into_iter().enumerate().map(|(index, item)| self.stage(item, index)).collect()
    }

    fn stage<'s>(&mut self, field: Field<'n, 's>, index: usize) -> Stage {
        let fields = self.reader.fields(&keys::STAGE, field);
        let mut env = Variables::default();
        if self.inherited.take(&mut self.reader, field, size(&self.values.env)) {
            env.clone_from(&self.values.env);
        }
        self.reader.scope.enter(env);
        self.reader.scope.place.stage = Some(index);
        let (known, chosen) = (&self.values.environments, self.values.chosen.as_deref());
        let only = fields.get("environments");
        let skipped = only.and_then(|field| self.reader.skipped_in(field, known, chosen));
        let name = fields.get("name").and_then(|field| self.stage_name(field));
        let after = fields.get("after").and_then(|field| self.reader.after(field));
        let fail_fast = fields.get("fail_fast").and_then(|field| self.reader.boolean(field));
        let own = fields.get("env").map(|field| self.reader.environment(field)).unwrap_or_default();
        self.reader.scope.extend(&own);
        let env = self.reader.scope.enter(Variables::default());
        let steps = fields
            .get("steps")
            .map(|field| self.list(field, "a list of steps", "a stage has at least one step"))
            .unwrap_or_default();
        let services = self.reader.services(&fields, &self.around, self.lines);
        let scope = format!("stage-{}", name.unwrap_or_default());
        let around = self.around.with(scope, services, &mut self.scopes);
        let part = Part { stage: index, apart: None, env: &env, names: names(own.texts()), skipped, around };
        let when = fields.get("when").and_then(|field| self.reader.when(field));
        self.whens.push(when.map(|when| (when, env.clone().into_texts())));
        let steps = self.steps(field, &steps, &part);
        let on_failure = match fail_fast {
            Some(false) => OnStepFailure::GoOn,
            Some(true) | None => OnStepFailure::CancelSiblings,
        };
        stage(name.unwrap_or_default(), after.unwrap_or_default(), on_failure, None, steps)
    }

    fn stage_name<'s>(&mut self, field: Field<'n, 's>) -> Option<&'n str> {
        let name = self.reader.name(field)?;
        let line = self.lines.number(field.node.span.start);
        let help = if matches!(name, ON_FAILURE | FINALLY) {
            format!("`{name}` is a part of every pipeline; choose another name")
        } else if let Some(first) = self.stage_lines.insert(name, line) {
            format!("the first is in line {first}; rename one")
        } else {
            return Some(name);
        };
        let message = format!("there is another stage `{name}`");
        self.reader.error(codes::STAGE_TWICE, field.node.span, message, help);
        None
    }

    /// The steps of `on_failure` or `finally`.
    fn apart<'s>(&mut self, field: Field<'n, 's>, part: &'static str, index: usize) -> Vec<Step> {
        let help = format!("`{part}` is left out when there is nothing to do");
        let steps = self.list(field, "a list of steps", &help);
        self.reader.scope.place.stage = Some(index);
        let env = std::mem::take(&mut self.values.env);
        let part = Part {
            stage: index,
            apart: Some(part),
            env: &env,
            names: Names::default(),
            skipped: None,
            around: self.around.clone(),
        };
        let steps = self.steps(field, &steps, &part);
        self.values.env = env;
        steps
    }

    fn steps<'s>(&mut self, list: Field<'n, 's>, steps: &[Field<'n, 's>], part: &Part<'_>) -> Vec<Step> {
        let taken = size(part.env) + self.defaults.size();
        if !self.inherited.take(&mut self.reader, list, taken.saturating_mul(steps.len())) {
            return Vec::new();
        }
        let mut lowered = Vec::with_capacity(steps.len());
        for field in steps {
            let place = Place {
                stage: part.stage,
                apart: part.apart,
                defaults: &self.defaults,
                env: part.env,
                environments: &self.values.environments,
                chosen: self.values.chosen.as_deref(),
                skipped: part.skipped.as_deref(),
                secrets: &self.secrets,
                around: &part.around,
                lines: self.lines,
            };
            let (step, declared) = self.reader.step(*field, &place);
            let matrix = declared.as_ref().and_then(|declared| declared.matrix.as_ref());
            let beside = declared.as_ref().map_or(0, |declared| declared.services.size());
            let before = lowered.len();
            match matrix {
                Some(matrix)
                    if self.inherited.take(
                        &mut self.reader,
                        *field,
                        matrix.growth(&step) + beside.saturating_mul(matrix.instances().len()),
                    ) =>
                {
                    lowered.extend(matrix.multiply(step));
                }
                _ => lowered.push(step),
            }
            let own = declared.as_ref().map_or(&[][..], |declared| &declared.services.own);
            for step in lowered.iter_mut().skip(before) {
                part.around.hold(step, own, &mut self.scopes);
            }
            let owner = declared.is_some().then_some(self.declared.len());
            let copies = lowered.len() - before;
            self.owners.extend(std::iter::repeat_n(owner, copies));
            let of_step = OfStep {
                stage: Names::clone(&part.names),
                own: declared.as_ref().map(|declared| Names::clone(&declared.env)).unwrap_or_default(),
                matrix: matrix.map(Matrix::variables).unwrap_or_default(),
            };
            self.origins.extend(std::iter::repeat_n(of_step, copies));
            self.declared.extend(declared);
        }
        lowered
    }

    /// A list of mappings that is not empty.
    fn list<'s>(&mut self, field: Field<'n, 's>, wanted: &str, help: &str) -> Vec<Field<'n, 's>> {
        let write = match field.key {
            "stages" => "each stage is an item: `- name: build`, with its `steps` below it",
            _ => "each step is an item: `- name: compile`, with its `run` below it",
        };
        let items: Vec<_> = self.reader.items(field, wanted, write).collect();
        if items.is_empty() && matches!(field.node.value, Value::List(_)) {
            let message = format!("`{}` is empty", field.key);
            self.reader.error(codes::NO_STEPS, field.node.span, message, help);
        }
        items
    }
}

/// What the steps of one list have in common.
struct Part<'p> {
    /// Number of the stage, `on_failure` and `finally` after all others.
    stage: usize,
    /// The name of the part for the steps of `on_failure` and `finally`.
    apart: Option<&'static str>,
    env: &'p Variables,
    /// The variables that the stage itself sets.
    names: Names,
    /// Why none of them runs, if none does.
    skipped: Option<String>,
    /// The services around them.
    around: Around,
}

/// Bytes that steps took over so far, or that are there several times.
#[derive(Default)]
struct Inherited(usize);

impl Inherited {
    /// Counts text that is copied to steps; false, and said once, when it is too much: a small file
    /// must not become a huge plan.
    fn take(&mut self, reader: &mut Reader<'_>, field: Field<'_, '_>, bytes: usize) -> bool {
        let before = self.0;
        self.0 = before.saturating_add(bytes);
        if before <= MAX_INHERITED && self.0 > MAX_INHERITED {
            let message = "the steps up to here take over more than 64 MiB of `env`, `defaults` and matrices";
            let help = "put large data into files of the repository";
            reader.error(codes::TOO_MUCH_ENVIRONMENT, field.node.span, message, help);
        }
        self.0 <= MAX_INHERITED
    }
}

impl Reader<'_> {
    fn version(&mut self, field: Field<'_, '_>) {
        if let Some(text) = self.verbatim(field, "`1`")
            && (text != "1" || !is_plain(field))
        {
            let message = format!("`{}` is not a version of the language", crate::frontend::shorten(text));
            let help = "write `version: 1`, or leave it out; your own version goes into `x-version`";
            self.error(codes::BAD_VERSION, field.node.span, message, help);
        }
    }
}

fn stage(
    id: &str,
    after: After,
    on_step_failure: OnStepFailure,
    timeout: Option<Duration>,
    steps: Vec<Step>,
) -> Stage {
    Stage { id: StageId::new(id), after, on_step_failure, timeout, steps, late: Vec::new() }
}

fn part_size(part: &plan::Part) -> usize {
    let own = match part {
        plan::Part::Literal(text) => text.len(),
        plan::Part::Output { step, key } => step.as_str().len() + key.len(),
        plan::Part::Outputs { steps, key } => steps.len() * size_of::<StepId>() + key.len(),
        plan::Part::Element => 0,
    };
    own + size_of::<plan::Part>()
}

/// What an environment costs whoever takes it over.
fn size(env: &Variables) -> usize {
    let text = |value: &Text| match value {
        Text::Known(text) => text.len(),
        Text::Late(parts) => parts.iter().map(part_size).sum(),
    };
    env.texts().iter().map(|(name, value)| name.len() + text(value) + size_of::<(String, Text)>()).sum()
}
