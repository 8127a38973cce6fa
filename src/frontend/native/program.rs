//! What a step runs (language L17): a script, a command, or the image's own entry point.

use super::pieces;
use super::read::{Field, Fields, Reader};
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::{Program, Text};

const SHELLS: [(&str, &[&str]); 2] = [("sh", &["sh", "-e"]), ("bash", &["bash", "-e", "-o", "pipefail"])];

/// Programs that take code as an argument after `-c`.
const CODE_READERS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish"];

/// Whether what follows these words is code to a shell, or its arguments: `sh -c`, also behind programs
/// such as `env` and `timeout`. `unknown`: the program before them is not known, and may be a shell.
fn reads_code<'w>(words: impl Iterator<Item = &'w Text>, unknown: bool) -> bool {
    let mut shell = unknown;
    for word in words.filter_map(Text::known) {
        let flags = word.strip_prefix('-').filter(|flags| !flags.starts_with('-'));
        if shell && flags.is_some_and(|flags| flags.contains('c')) {
            return true;
        }
        shell |= CODE_READERS.contains(&word.rsplit('/').next().unwrap_or(word));
    }
    false
}

/// The interpreter of scripts that name no shell.
pub(super) fn default_shell() -> Vec<String> {
    vec!["sh".to_owned(), "-e".to_owned()]
}

impl Reader<'_> {
    pub(super) fn program(&mut self, fields: &Fields<'_, '_>, shell: &[String]) -> Program {
        let own_shell = fields.get("shell").and_then(|field| self.shell(field));
        let command = fields.get("command").map(|field| self.command(field));
        let before = command.as_deref().unwrap_or_default();
        let args = fields.get("args").map(|field| self.words(field, before)).unwrap_or_default();
        if let Some(field) = fields.get("run") {
            let interpreter = own_shell.unwrap_or_else(|| shell.to_vec());
            let body = Text::Known(self.script(field));
            return Program::Script { interpreter, body, args: Vec::new() };
        }
        match command {
            Some(mut command) => {
                command.extend(args);
                Program::Command(command)
            }
            None => Program::Entrypoint { args, args_follow_cmd: false },
        }
    }

    /// A script: text as it is, or a list of lines.
    fn script(&mut self, field: Field<'_, '_>) -> String {
        let mut body = String::new();
        match &field.node.value {
            Value::List(_) => {
                for line in self.items(field, "text or a list", "") {
                    let Some(line) = self.verbatim(line, "a line of a script") else { return body };
                    body.push_str(line);
                    body.push('\n');
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
        self.not_replaced(field, &body);
        body
    }

    /// Warns of what looks like an expression: a script stays as it is.
    fn not_replaced(&mut self, field: Field<'_, '_>, body: &str) {
        let Some((at, _)) = body.match_indices(pieces::OPEN).find(|(at, _)| !body[..*at].ends_with('$'))
        else {
            return;
        };
        let span = match &field.node.value {
            Value::Scalar { text, .. } => self.span_in(field, text, at, pieces::OPEN.len()),
            Value::List(_) | Value::Map(_) => field.node.span,
        };
        let message = "`${{ }}` in a script is not replaced";
        let help = "a script gets values as variables: `$WINDLASS_INPUT_<NAME>`, `$WINDLASS_PARAM_<NAME>`, or others by \
                    `env`";
        self.warn(codes::NOT_IN_SCRIPTS, span, message, help);
    }

    fn command(&mut self, field: Field<'_, '_>) -> Vec<Text> {
        self.argv(field, "`run: …`")
    }

    /// A program and its arguments; `line` is how a line for a shell would be written.
    pub(super) fn argv(&mut self, field: Field<'_, '_>, line: &str) -> Vec<Text> {
        if let Value::Scalar { text, .. } = &field.node.value
            && !field.node.is_null()
        {
            let words: Vec<_> = text.split_whitespace().collect();
            let help = format!(
                "write `command: [{}]`, or {line} for a line that a shell reads",
                shorten(&words.join(", "))
            );
            self.wrong_kind(field, "a list of words", help);
            return Vec::new();
        }
        let words = self.words(field, &[]);
        // A word that is wrong has been said already.
        let none = matches!(&field.node.value, Value::List(items) if items.is_empty());
        if none || words.first().is_some_and(|word| word.known() == Some("")) {
            self.nothing(field);
        }
        words
    }

    /// Arguments, after those `before`.
    pub(super) fn words(&mut self, field: Field<'_, '_>, before: &[Text]) -> Vec<Text> {
        let help = format!("write `{}: [one, two]`", field.key);
        let items: Vec<_> = self.items(field, "a list of words", &help).collect();
        let mut words = Vec::new();
        for item in items {
            let Some(word) = self.argument(item) else { continue };
            // Without a program it is the image's own, which may be a shell.
            let unknown = field.key == "args" && before.is_empty();
            if word.foreign && reads_code(before.iter().chain(&words), unknown) {
                let message = "text from git or an event is given to a shell as code";
                let help = "whoever names a branch could run what they like; set a variable in `env`, and let \
                            the shell read it: `sh -c 'echo \"$BRANCH\"'`";
                self.error(codes::FOREIGN_CODE, item.node.span, message, help);
            }
            words.push(word.text);
        }
        words
    }

    /// What reads a script: a known shell with the options that make it stop at errors, or an argv.
    pub(super) fn shell(&mut self, field: Field<'_, '_>) -> Option<Vec<String>> {
        if let Value::List(items) = &field.node.value {
            let none = items.is_empty();
            let words: Vec<_> = self.items(field, "a list of words", "").collect();
            let words = words.into_iter().map(|word| Some(self.text(word, "text")?.into_owned()));
            let words: Vec<Option<String>> = words.collect();
            if none || words.first().is_some_and(|word| word.as_deref() == Some("")) {
                self.nothing(field);
            }
            return words.into_iter().collect();
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
