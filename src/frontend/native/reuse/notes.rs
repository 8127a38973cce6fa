//! Where templates are used, for whoever made a mistake in one: what is wrong with a template is said once
//! however often it is used, with its own place and that of its first use.

use std::collections::HashMap;

use super::include::{Library, at};
use super::parameters::Values;
use crate::base::{Diagnostic, SourceText, Span};

/// What is known of the templates' uses.
pub(super) struct Notes {
    templates: Vec<Noted>,
    /// The places that belong to templates, by their first byte, and whose they are.
    places: HashMap<usize, usize>,
    /// The places of values that were given to parameters, and what they were given to.
    given: HashMap<Span, (usize, String)>,
}

struct Noted {
    name: String,
    place: Span,
    /// The steps that use it.
    uses: Vec<Span>,
}

impl Notes {
    pub(super) fn new(library: &Library) -> Self {
        let mut places = HashMap::new();
        let mut templates = Vec::new();
        for (position, template) in library.iter().enumerate() {
            places.extend(template.places().into_iter().map(|place| (place.start, position)));
            let name = template.name.clone();
            templates.push(Noted { name, place: template.place, uses: Vec::new() });
        }
        Self { templates, places, given: HashMap::new() }
    }

    pub(super) fn used(&mut self, template: usize, step: Span, values: &Values) {
        if let Some(noted) = self.templates.get_mut(template) {
            noted.uses.push(step);
        }
        for value in values.iter() {
            if let Some(place) = value.given {
                self.given.insert(place, (template, value.name.clone()));
            }
        }
    }

    pub(super) fn annotate(&self, source: &SourceText, found: &mut [Diagnostic]) {
        for diagnostic in found {
            let Some(note) = diagnostic.span.and_then(|span| self.note(source, span)) else { continue };
            diagnostic.help = Some(match diagnostic.help.take() {
                Some(help) => format!("{help} ({note})"),
                None => note,
            });
        }
    }

    fn note(&self, source: &SourceText, span: Span) -> Option<String> {
        if let Some((template, parameter)) = self.given.get(&span) {
            let Noted { name, place, .. } = self.templates.get(*template)?;
            return Some(format!("it is `{parameter}` of the template `{name}` in {}", at(source, *place)));
        }
        let noted = self.templates.get(*self.places.get(&span.start)?)?;
        let first = at(source, *noted.uses.first()?);
        let file = if source.file(span.start).0.name == source.name {
            String::new()
        } else {
            format!(" of {}", source.name)
        };
        let more = match noted.uses.len() - 1 {
            0 => String::new(),
            1 => " and once more".to_owned(),
            more => format!(" and {more} times more"),
        };
        Some(format!("the template `{}` is used in {first}{file}{more}", noted.name))
    }
}
