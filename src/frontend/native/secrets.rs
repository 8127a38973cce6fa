//! Secrets (language L14): those that a pipeline declares, and those that a step gets. No value of one is
//! ever in a file.

use std::collections::{BTreeMap, HashSet};

use super::environment::Environments;
use super::keys;
use super::matrix::Matrix;
use super::read::{Field, Reader};
use crate::base::Span;
use crate::frontend::origin::Names;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::SecretUse;

/// How many secrets a pipeline declares, and a step lists, at most.
pub(super) const MOST: usize = 256;
/// Places in which a secret's file cannot be: the tree that all steps share, and what is no place for files.
pub(super) const NOWHERE: &[&str] = &["workspace", "proc", "sys", "dev", "windlass", "windlass-helper"];

/// The secrets that a pipeline declares, and whether each is hidden in output.
pub(super) type Secrets = BTreeMap<String, bool>;

/// What a step already has beside its secrets.
pub(super) struct Beside<'p, 'n> {
    pub(super) env: Names,
    pub(super) environments: &'p Environments<'p>,
    pub(super) matrix: Option<&'p Matrix<'n>>,
}

impl Reader<'_> {
    /// Reads what a pipeline declares.
    pub(super) fn secrets(&mut self, field: Option<Field<'_, '_>>) -> Secrets {
        let mut declared = Secrets::new();
        let Some(field) = field else { return declared };
        for item in self.secret_items(field) {
            let (name, hidden) = if let Value::Map(_) = &item.node.value {
                let fields = self.fields(&keys::SECRET, item);
                let name = fields.get("name").and_then(|field| self.secret_name(field));
                let hidden = fields.get("mask").and_then(|field| self.boolean(field));
                (name, hidden.unwrap_or(true))
            } else {
                (self.secret_name(item), true)
            };
            let Some(name) = name else { continue };
            if declared.insert(name.to_owned(), hidden).is_some() {
                let message = format!("the secret `{name}` is declared twice");
                self.error(codes::SECRET_TWICE, item.node.span, message, "remove one of them");
            }
        }
        declared
    }

    /// Reads what a step gets of them.
    pub(super) fn secret_uses(
        &mut self,
        field: Field<'_, '_>,
        declared: &Secrets,
        beside: &Beside<'_, '_>,
    ) -> Vec<SecretUse> {
        let mut uses = Vec::new();
        let mut places = HashSet::new();
        for item in self.secret_items(field) {
            let (name, file) = if let Value::Map(_) = &item.node.value {
                let fields = self.fields(&keys::SECRET_USE, item);
                let name = fields.get("name").and_then(|field| self.secret_name(field));
                let file = fields.get("file").map(|field| self.secret_file(field));
                // What was meant for a file is not taken for a variable.
                (name, if fields.lacks("file") { Some(None) } else { file.flatten().map(Some) })
            } else {
                (self.secret_name(item), Some(None))
            };
            let Some(name) = name else { continue };
            let Some(hidden) = declared.get(name) else {
                self.undeclared(name, item.node.span, declared);
                continue;
            };
            let Some(file) = file else { continue };
            let env = file.is_none().then(|| name.to_owned());
            if !places.insert(file.clone().unwrap_or_else(|| name.to_owned())) {
                let message = match &file {
                    Some(file) => format!("two secrets of the step are at `{}`", shorten(file)),
                    None => format!("the step lists `{name}` twice"),
                };
                self.error(codes::SECRET_TWICE, item.node.span, message, "remove one of them");
            } else if env.is_some() {
                self.beside(name, item.node.span, beside);
            }
            uses.push(SecretUse { name: name.to_owned(), env, file, unmasked: !hidden });
        }
        uses
    }

    fn secret_items<'n, 's>(&mut self, field: Field<'n, 's>) -> Vec<Field<'n, 's>> {
        let items: Vec<_> = self.items(field, "a list of secrets", "write `secrets: [TOKEN]`").collect();
        if items.len() > MOST {
            let message = format!("`secrets` has {} items", items.len());
            let help = format!("there are at most {MOST}");
            self.error(codes::BAD_SECRET, field.node.span, message, help);
            return Vec::new();
        }
        items
    }

    fn secret_name<'n>(&mut self, field: Field<'n, '_>) -> Option<&'n str> {
        let name = self.verbatim(field, "the name of a secret")?;
        if is_variable(name) {
            return Some(name);
        }
        let message = format!("`{}` cannot be the name of a secret", shorten(name));
        let help = "letters, digits and `_`, not beginning with a digit: a step gets it as a variable";
        self.error(codes::BAD_SECRET, field.node.span, message, help);
        None
    }

    fn undeclared(&mut self, name: &str, span: Span, declared: &Secrets) {
        let near = self.nearest(name, declared.keys().map(String::as_str));
        let help = match near {
            Some((near, true)) => format!("did you mean `{near}`?"),
            _ => format!("declare it for the pipeline: `secrets: [{}]`", shorten(name)),
        };
        let message = format!("the pipeline declares no secret `{}`", shorten(name));
        self.error(codes::UNDECLARED_SECRET, span, message, help);
    }

    /// A variable is set by one only.
    fn beside(&mut self, name: &str, span: Span, beside: &Beside<'_, '_>) {
        let of_matrix =
            || beside.matrix.is_some_and(|matrix| matrix.variables().iter().any(|one| one == name));
        let other = if beside.env.contains(name) || beside.environments.with(name).is_some() {
            "`env`"
        } else if of_matrix() {
            "`matrix`"
        } else {
            return;
        };
        let message = format!("`{name}` is a secret of the step, and {other} sets that variable too");
        let help = format!(
            "rename one, or take the secret as a file: `{{ name: {name}, file: /run/secrets/{name} }}`"
        );
        self.error(codes::SECRET_TWICE, span, message, help);
    }

    fn secret_file(&mut self, field: Field<'_, '_>) -> Option<String> {
        let path = self.text(field, "the path of a file such as `/run/secrets/token`")?;
        let names = path.strip_prefix('/').map(|below| below.split('/').collect::<Vec<_>>());
        let names = names.unwrap_or_default();
        let plain = !names.is_empty() && names.iter().all(|name| !matches!(*name, "" | "." | ".."));
        let outside = names.first().is_some_and(|first| NOWHERE.contains(first));
        if plain && !outside {
            return Some(path.into_owned());
        }
        let (message, help) = if plain {
            let message = format!("a secret's file cannot be at `{}`", shorten(&path));
            (message, "all steps see the workspace, and some places are not for files: `/run/secrets/token`")
        } else {
            let message = format!("`{}` is not the path of a file", shorten(&path));
            (message, "write an absolute path without `.` and `..`: `/run/secrets/token`")
        };
        self.error(codes::SECRET_FILE, field.node.span, message, help);
        None
    }
}

/// Whether a program can have a variable of this name.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
