//! What a program wrote for later steps (language L21): from the bytes of its file to checked values. Pure.

use std::collections::BTreeMap;

use crate::backend::MAX_OUTPUT;
use crate::base::masker::Masker;
use crate::base::pairs::{self, Line, LineError};
use crate::base::{Outcome, Reason};
use crate::event::End;

/// Bytes of one value.
const LONGEST: usize = 4096;

/// Outputs by key.
pub(super) type Outputs = BTreeMap<String, String>;

/// Why a step's outputs are refused. No message holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutputError {
    #[error("the file of outputs has more than 1Mi; put large data into files of the workspace")]
    TooMuch,
    #[error("in the outputs {0}")]
    Line(#[from] LineError),
    #[error(
        "line {line} of the outputs writes `{key}`, which the step does not declare; add it to `outputs`"
    )]
    Undeclared { line: usize, key: String },
    #[error("the output `{key}` (line {line}) has {length} bytes, and at most {LONGEST} are allowed")]
    TooLong { line: usize, key: String, length: usize },
    #[error("the output `{key}` (line {line}) is not text: UTF-8 without a NUL byte")]
    NotText { line: usize, key: String },
    #[error(
        "the output `{key}` (line {line}) holds a secret; later steps get a secret by their own `secrets`"
    )]
    HoldsSecret { line: usize, key: String },
    #[error("the step passed without the output `{key}`; it writes `{key}=…` to the file $WINDLASS_OUTPUT")]
    Absent { key: String },
}

/// Takes in the outputs of an attempt that ended: what there is of them, and its end, which is another
/// if it passed and they are not as they should be. One that did not pass keeps its own reason.
pub(super) fn take(end: End, file: &[u8], declared: &[String], masker: &Masker) -> (Outputs, End) {
    let passed = end.outcome == Outcome::Passed;
    match read(file, declared, masker)
        .and_then(|found| if passed { complete(found, declared) } else { Ok(found) })
    {
        Ok(outputs) => (outputs, end),
        Err(error) if passed => {
            let invalid = End::because(Reason::OutputInvalid, Some(error.to_string()));
            let End { exit_code, duration_ms, usage, .. } = end;
            (Outputs::new(), End { exit_code, duration_ms, usage, ..invalid })
        }
        Err(_) => (Outputs::new(), end),
    }
}

fn complete(outputs: Outputs, declared: &[String]) -> Result<Outputs, OutputError> {
    match declared.iter().find(|key| !outputs.contains_key(*key)) {
        Some(key) => Err(OutputError::Absent { key: key.clone() }),
        None => Ok(outputs),
    }
}

/// Of a key that is written twice the later counts.
fn read(file: &[u8], declared: &[String], masker: &Masker) -> Result<Outputs, OutputError> {
    if file.len() > MAX_OUTPUT {
        return Err(OutputError::TooMuch);
    }
    let mut outputs = Outputs::new();
    for line in pairs::read(file) {
        let Line { number: line, key, value } = line?;
        let key = key.to_owned();
        if !declared.contains(&key) {
            return Err(OutputError::Undeclared { line, key: masker.mask(&key) });
        }
        if value.len() > LONGEST {
            return Err(OutputError::TooLong { line, key, length: value.len() });
        }
        let text = std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
        let Some(text) = text else { return Err(OutputError::NotText { line, key }) };
        if masker.mask(text) != text {
            return Err(OutputError::HoldsSecret { line, key });
        }
        outputs.insert(key, text.to_owned());
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(keys: &str) -> Vec<String> {
        keys.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(file: &str, keys: &str, expected: &str) {
        let masker = Masker::new([b"hunter2-hunter2".to_vec()]);
        let (outputs, end) = take(End::exited(0), file.as_bytes(), &declared(keys), &masker);
        let said = end.message.unwrap_or_else(|| format!("{outputs:?}"));
        assert_eq!(said, expected, "{file:?}");
        assert_eq!(end.reason.is_some(), end.outcome == Outcome::Failed);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        check("", "", "{}");
        check("a=1\nb<<END\none\ntwo\nEND\na=2\n", "a b", r#"{"a": "2", "b": "one\ntwo"}"#);
        check("a=1\nb", "a b", "in the outputs line 2 is neither `KEY=value` nor `KEY<<END`");
        check(
            "a=1\nversoin=2\n",
            "a version",
            "line 2 of the outputs writes `versoin`, which the step does not declare; add it to `outputs`",
        );
        check(
            "a=1\n",
            "a b",
            "the step passed without the output `b`; it writes `b=…` to the file $WINDLASS_OUTPUT",
        );
        check("a=x\0y\n", "a", "the output `a` (line 1) is not text: UTF-8 without a NUL byte");
        let secret =
            "the output `a` (line 1) holds a secret; later steps get a secret by their own `secrets`";
        check("a=--hunter2-hunter2--\n", "a", secret);
        check("a<<E\naHVudGVyMi1odW50ZXIy\nE\n", "a", secret);
        let long = "x".repeat(LONGEST);
        check(&format!("a={long}\n"), "a", &format!("{:?}", BTreeMap::from([("a", &long)])));
        check(
            &format!("a={long}x\n"),
            "a",
            "the output `a` (line 1) has 4097 bytes, and at most 4096 are allowed",
        );
        let much = "a=1\n".repeat(MAX_OUTPUT / 4);
        check(&much, "a", r#"{"a": "1"}"#);
        check(
            &format!("{much}\n"),
            "a",
            "the file of outputs has more than 1Mi; put large data into files of the workspace",
        );
    }

    #[test]
    fn a_step_that_fails_keeps_its_reason_and_what_it_wrote_well() {
        let taken = |file: &str| take(End::exited(3), file.as_bytes(), &declared("a b"), &Masker::none());
        assert_eq!(taken("a=1\n"), (Outputs::from([("a".to_owned(), "1".to_owned())]), End::exited(3)));
        assert_eq!(taken("a=1\nc=2\n"), (Outputs::new(), End::exited(3)));
    }
}
