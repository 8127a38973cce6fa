//! Images of the source, where there is one.

use std::io;
use std::path::Path;

use windlass::base::{SourceText, glob};
use windlass::frontend::{Compiled, Given, compile};
use windlass::plan::expression::Files;
use windlass::plan::facts::{GitFacts, SourceView};
use windlass::plan::{Image, ImageFile};

/// A source with an archive, whose name looks like a pattern, and a layout.
#[derive(Debug)]
struct Source;

const FILES: [&str; 2] = ["ci/[tool].tar", "ci/layout/index.json"];

impl SourceView for Source {
    fn git(&self) -> io::Result<GitFacts> {
        Ok(GitFacts::default())
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn files(&self) -> &dyn Files {
        self
    }
}

impl Files for Source {
    fn exist(&self, patterns: &[String]) -> Result<bool, String> {
        let fits = |file: &&str| patterns.iter().any(|one| glob::matches(one.as_bytes(), file.as_bytes()));
        Ok(FILES.iter().any(fits))
    }

    fn changed(&self, _: &[String]) -> Result<bool, String> {
        Ok(false)
    }

    fn hash(&self, _: &[String]) -> Result<String, String> {
        Ok(String::new())
    }
}

fn compiled(image: &str) -> Compiled {
    let text = format!(
        "inputs: [{{ name: tool, default: layout }}]\n\
         defaults: {{ image: '{image}' }}\n\
         stages: [{{ name: s, steps: [{{ name: a, run: x, services: {{ db: {{ image: '{image}' }} }} }}] }}]\n"
    );
    compile(&SourceText::new("windlass.yml", text), &Given { source: &Source, ..Given::default() })
}

#[test]
fn a_path_is_an_image_of_the_source_in_steps_and_services() {
    for (image, path, name) in [
        ("./ci/[tool].tar", "ci/[tool].tar", None),
        (".//ci/./layout/", "ci/layout", None),
        ("./ci/layout#tool:1", "ci/layout", Some("tool:1")),
        ("./ci/${{ inputs.tool }}", "ci/layout", None),
    ] {
        let compiled = compiled(image);
        let plan = compiled.plan.unwrap_or_else(|| panic!("{image}: {:?}", compiled.diagnostics));
        let expected = Image::File(ImageFile { path: path.to_owned(), name: name.map(str::to_owned) });
        let step = &plan.stages[0].steps[0];
        assert_eq!(step.image, expected);
        assert_eq!(plan.services_of(step).next().map(|(_, service)| &service.image), Some(&expected));
    }
}

#[test]
fn a_path_with_nothing_there_is_a_mistake() {
    for image in ["./ci/t", "./ci/lay", "./ci/tool.tar"] {
        let codes: Vec<_> = compiled(image).diagnostics.into_iter().map(|found| found.code).collect();
        assert_eq!(codes, ["W0144", "W0144"], "{image}");
    }
}
