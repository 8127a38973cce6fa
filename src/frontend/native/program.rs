//! What a step runs (language L17): a script, a command, or the image's own entry point.

use super::read::{Field, Fields, Reader};
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::{Program, Text};

const SHELLS: [(&str, &[&str]); 2] = [("sh", &["sh", "-e"]), ("bash", &["bash", "-e", "-o", "pipefail"])];

/// The interpreter of scripts that name no shell.
pub(super) fn default_shell() -> Vec<String> {
    vec!["sh".to_owned(), "-e".to_owned()]
}

impl Reader<'_> {
    pub(super) fn program(&mut self, fields: &Fields<'_, '_>, shell: &[String]) -> Program {
        let own_shell = fields.get("shell").and_then(|field| self.shell(field));
        let args = fields.get("args").map(|field| self.words(field)).unwrap_or_default();
        if let Some(field) = fields.get("run") {
            let interpreter = own_shell.unwrap_or_else(|| shell.to_vec());
            let body = Text::Known(self.script(field));
            return Program::Script { interpreter, body, args: Vec::new() };
        }
        if let Some(field) = fields.get("command") {
            let mut command = self.command(field);
            command.extend(args);
            return Program::Command(command);
        }
        Program::Entrypoint { args, args_follow_cmd: false }
    }

    /// A script: text as it is, or a list of lines.
    fn script(&mut self, field: Field<'_, '_>) -> String {
        let mut body = String::new();
        match &field.node.value {
            Value::List(_) => {
                for line in self.items(field, "text or a list", "") {
                    if let Some(line) = self.verbatim(line, "a line of a script") {
                        body.push_str(line);
                        body.push('\n');
                    }
                }
            }
            Value::Scalar { .. } | Value::Map(_) => {
                match self.verbatim(field, "a script, as text or as a list of lines") {
                    Some(text) => body.push_str(text),
                    None => return body,
                }
            }
        }
        if body.trim().is_empty() {
            self.nothing(field);
        }
        body
    }

    fn command(&mut self, field: Field<'_, '_>) -> Vec<Text> {
        if let Value::Scalar { text, .. } = &field.node.value
            && !field.node.is_null()
        {
            let words: Vec<_> = text.split_whitespace().collect();
            let help = format!(
                "write `command: [{}]`, or `run: …` for a line that a shell reads",
                shorten(&words.join(", "))
            );
            self.wrong_kind(field, "a list of words", help);
            return Vec::new();
        }
        let words = self.words(field);
        let empty = words.first().is_none_or(|word| word.known() == Some(""));
        if empty && matches!(field.node.value, Value::List(_)) {
            self.nothing(field);
        }
        words
    }

    fn words(&mut self, field: Field<'_, '_>) -> Vec<Text> {
        let help = format!("write `{}: [one, two]`", field.key);
        let items = self.items(field, "a list of words", &help);
        items.filter_map(|word| self.text(word, "text")).map(|word| Text::Known(word.into_owned())).collect()
    }

    /// What reads a script: a known shell with the options that make it stop at errors, or an argv.
    pub(super) fn shell(&mut self, field: Field<'_, '_>) -> Option<Vec<String>> {
        if let Value::List(items) = &field.node.value {
            if items.is_empty() {
                self.nothing(field);
            }
            let items = self.items(field, "a list of words", "");
            return Some(items.filter_map(|word| Some(self.text(word, "text")?.into_owned())).collect());
        }
        let name = self.text(field, "`sh`, `bash`, or a program and its arguments as a list")?;
        let known = SHELLS.iter().find(|(shell, _)| *shell == name);
        if known.is_none() {
            let message = format!("`{}` is not a shell that is known by name", shorten(&name));
            let help = format!("`sh` and `bash` are; write others as a list: `shell: [{}]`", shorten(&name));
            self.error(codes::BAD_WORD, field.node.span, message, help);
        }
        known.map(|(_, words)| words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn nothing(&mut self, field: Field<'_, '_>) {
        let message = format!("`{}` is empty", field.key);
        self.error(
            codes::NOTHING_TO_RUN,
            field.node.span,
            message,
            "say what to run, or remove the key to run the image's own entry point",
        );
    }
}
