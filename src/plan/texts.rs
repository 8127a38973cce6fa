//! Where a plan holds strings that may be late.

use super::{Image, Part, Program, Service, Step, Text};
use crate::base::StepId;

/// Every string of a step that may be late.
pub(super) fn of_step(step: &Step) -> impl Iterator<Item = &Text> {
    let after = step.after_script.iter().flat_map(|after| of_program(&after.program));
    let image = of_image(&step.image).into_iter();
    let awaited = step.wait_for.iter().map(|wait| &wait.what);
    image
        .chain(of_program(&step.program))
        .chain(after)
        .chain(step.env.values())
        .chain(&step.gate)
        .chain(awaited)
}

/// Every string of a service that may be late.
pub(super) fn of_service(service: &Service) -> impl Iterator<Item = &Text> {
    of_image(&service.image).into_iter().chain(of_program(&service.program)).chain(service.env.values())
}

/// Every string of a step that may be late, to change it.
pub(super) fn of_step_mut(step: &mut Step) -> impl Iterator<Item = &mut Text> {
    let after = step.after_script.iter_mut().flat_map(|after| of_program_mut(&mut after.program));
    let image = of_image_mut(&mut step.image).into_iter();
    let env = step.env.values_mut();
    let awaited = step.wait_for.iter_mut().map(|wait| &mut wait.what);
    image
        .chain(of_program_mut(&mut step.program))
        .chain(after)
        .chain(env)
        .chain(&mut step.gate)
        .chain(awaited)
}

/// Every string of a service that may be late, to change it.
pub(super) fn of_service_mut(service: &mut Service) -> impl Iterator<Item = &mut Text> {
    let image = of_image_mut(&mut service.image).into_iter();
    image.chain(of_program_mut(&mut service.program)).chain(service.env.values_mut())
}

/// The outputs that a string refers to.
pub(super) fn references(text: &Text) -> impl Iterator<Item = (&StepId, &str)> {
    let parts = match text {
        Text::Known(_) => &[],
        Text::Late(parts) => parts.as_slice(),
    };
    parts.iter().flat_map(|part| {
        let (steps, key) = match part {
            Part::Literal(_) | Part::Element => (&[][..], ""),
            Part::Output { step, key } => (std::slice::from_ref(step), key.as_str()),
            Part::Outputs { steps, key } => (steps.as_slice(), key.as_str()),
        };
        steps.iter().map(move |step| (step, key))
    })
}

/// Whether a string holds the element of a matrix.
pub(super) fn has_element(text: &Text) -> bool {
    matches!(text, Text::Late(parts) if parts.contains(&Part::Element))
}

fn of_image(image: &Image) -> Option<&Text> {
    match image {
        Image::Reference(text) => Some(text),
        Image::File(_) | Image::Host => None,
    }
}

fn of_image_mut(image: &mut Image) -> Option<&mut Text> {
    match image {
        Image::Reference(text) => Some(text),
        Image::File(_) | Image::Host => None,
    }
}

fn of_program(program: &Program) -> impl Iterator<Item = &Text> {
    let (body, args) = match program {
        Program::Script { body, args, .. } => (Some(body), args),
        Program::Command(args) | Program::Entrypoint { args, .. } => (None, args),
    };
    body.into_iter().chain(args)
}

fn of_program_mut(program: &mut Program) -> impl Iterator<Item = &mut Text> {
    let (body, args) = match program {
        Program::Script { body, args, .. } => (Some(body), args),
        Program::Command(args) | Program::Entrypoint { args, .. } => (None, args),
    };
    body.into_iter().chain(args)
}
