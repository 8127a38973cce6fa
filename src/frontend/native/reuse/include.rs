//! The templates of a pipeline, its own and those of the files it includes (`include`).
//!
//! Files are named from the source's root and read through the view of the source alone, so that nothing
//! outside of it is ever read.

use std::path::{Component, Path};

use super::template::Template;
use crate::base::{Diagnostic, SourceText, Span};
use crate::frontend::native::keys;
use crate::frontend::native::read::{Field, Fields, Reader};
use crate::frontend::yaml::{Copier, MAX_FILE, Node, Value, load};
use crate::frontend::{codes, shorten};
use crate::plan::facts::SourceView;

/// How many files include one another in a row.
const DEEPEST: usize = 8;
/// How many files a pipeline includes.
const MOST: usize = 64;

/// All templates of a pipeline.
pub(super) struct Library {
    templates: Vec<Template>,
    /// There may be templates that could not be read, which was said.
    pub(super) incomplete: bool,
}

/// Reads the files.
struct Includes<'v, 'd> {
    source: &'d mut SourceText,
    view: &'v dyn SourceView,
    found: &'d mut Vec<Diagnostic>,
    /// The files that are being read, the outermost first.
    chain: Vec<String>,
    /// All that were read.
    read: Vec<String>,
    bytes: usize,
    templates: Vec<Template>,
    incomplete: bool,
}

impl Library {
    pub(super) fn read(
        source: &mut SourceText,
        root: &Node<'_>,
        view: &dyn SourceView,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let chain = vec![source.name.to_string()];
        let bytes = source.text.len();
        let mut includes = Includes {
            source,
            view,
            found,
            chain,
            read: vec![],
            bytes,
            templates: vec![],
            incomplete: false,
        };
        if let Value::Map(_) = &root.value {
            includes.file(&Fields::of(root));
        }
        Self { templates: includes.templates, incomplete: includes.incomplete }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.templates.iter().position(|template| template.name == name)
    }

    pub(super) fn template(&self, position: usize) -> Option<&Template> {
        self.templates.get(position)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().map(|template| template.name.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter()
    }
}

impl Includes<'_, '_> {
    /// Takes in the templates of a file, and of those that it includes.
    fn file(&mut self, fields: &Fields<'_, '_>) {
        if let Some(field) = fields.get("templates") {
            self.templates(field);
        }
        let Some(field) = fields.get("include") else { return };
        let help = "write `include: [ci/templates.yml]`";
        let items: Vec<_> = Reader::of_structure(self.found).items(field, "a list of files", help).collect();
        Reader::of_structure(self.found).at_least_one(field, "name one, or remove the key");
        for item in items {
            let path =
                Reader::of_structure(self.found).verbatim(item, "the path of a file").map(str::to_owned);
            if let Some(path) = path {
                self.include(&path, item.node.span);
            }
        }
    }

    fn templates(&mut self, field: Field<'_, '_>) {
        let mut reader = Reader::of_structure(self.found);
        let mut copier = Copier::default();
        let help = "write `templates: [{ name: unit, run: … }]`";
        let items: Vec<_> = reader.items(field, "a list of templates", help).collect();
        reader.at_least_one(field, "declare one, or remove the key");
        for item in items {
            let Some(template) = Template::read(&mut reader, item, &mut copier) else {
                self.incomplete = true;
                continue;
            };
            match self.templates.iter().find(|other| other.name == template.name) {
                None => self.templates.push(template),
                Some(other) => {
                    let message = format!("there is another template `{}`", template.name);
                    let help = format!("the first is in {}; rename one", at(self.source, other.place));
                    reader.error(codes::TEMPLATE_TWICE, template.place, message, help);
                }
            }
        }
    }

    fn include(&mut self, path: &str, span: Span) {
        let Some(name) = normal(path) else {
            let message = format!("`{}` is not a file of this source", shorten(path));
            return self.error(
                span,
                message,
                "write its path from the source's root, such as `ci/templates.yml`",
            );
        };
        if let Some(place) = self.chain.iter().position(|open| *open == name) {
            let mut chain: Vec<_> = self.chain.iter().skip(place).map(|name| format!("`{name}`")).collect();
            chain.push(format!("`{name}`"));
            return self.error(span, "these files include each other", &chain.join(" → "));
        }
        // A file that two others include is read once.
        if self.read.contains(&name) {
            return;
        }
        if self.chain.len() > DEEPEST || self.read.len() >= MOST {
            let message = "too many files are included".to_owned();
            let help = format!("at most {MOST} files, and {DEEPEST} in a row");
            return self.error(span, message, &help);
        }
        self.read.push(name.clone());
        let Some(text) = self.text(&name, span) else { return };
        let start = self.source.include(SourceText::new(name.as_str(), text.as_str()));
        self.chain.push(name);
        if let Some(root) = load(&text, start, self.found) {
            if let Value::Map(_) = &root.value {
                let fields =
                    Reader::of_structure(self.found).fields(&keys::INCLUDED, Field::new("include", &root));
                self.file(&fields);
            } else {
                let message = format!("an included file is a mapping, not {}", root.kind());
                let help = "it begins with `templates:`";
                self.found.push(Diagnostic::error(codes::WRONG_KIND, root.span, message).with_help(help));
                self.incomplete = true;
            }
        } else {
            self.incomplete = true;
        }
        self.chain.pop();
    }

    fn text(&mut self, name: &str, span: Span) -> Option<String> {
        let left = MAX_FILE.saturating_sub(self.bytes);
        match self.view.read(Path::new(name), left as u64) {
            Ok(Some(bytes)) => {
                self.bytes += bytes.len();
                let text = String::from_utf8(bytes).ok();
                if text.is_none() {
                    self.error(span, format!("`{}` is not UTF-8 text", shorten(name)), "save it as UTF-8");
                }
                text
            }
            Ok(None) => {
                let message = format!("there is no file `{}`", shorten(name));
                self.error(span, message, "the path is taken from the source's root");
                None
            }
            Err(error) => {
                let message = format!("`{}` cannot be included: {error}", shorten(name));
                self.error(span, message, "a file of the source itself, no link; 8 MiB with all others");
                None
            }
        }
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.incomplete = true;
        self.found.push(Diagnostic::error(codes::BAD_INCLUDE, span, message).with_help(help));
    }
}

/// A path inside the source as it is always written; none when it leads elsewhere.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// A place as it is named in a sentence.
pub(super) fn at(source: &SourceText, place: Span) -> String {
    let (line, _) = source.position(place.start);
    let (file, _) = source.file(place.start);
    if file.name == source.name { format!("line {line}") } else { format!("{}, line {line}", file.name) }
}
