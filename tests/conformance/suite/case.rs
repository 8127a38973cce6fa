//! A case as it is written: one Markdown file with a title, options, a pipeline and its outline.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use windlass::base::Bytes;
use windlass::event::CancelLevel;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its folder and file name: `failure/siblings`.
    pub name: String,
    pub path: PathBuf,
    /// The rule it holds a backend to, as a sentence.
    pub title: String,
    /// Numbers of the sentence groups that it is about.
    pub covers: Vec<u32>,
    pub options: Options,
    /// The text of `windlass.yml`.
    pub pipeline: String,
    /// Other files of the repository, by path.
    pub files: BTreeMap<String, String>,
    /// What must come of it.
    pub outline: String,
    /// Files that must be in the tree at the end, by path; only where it runs in place.
    pub workspace: BTreeMap<String, String>,
}

/// What is not in the pipeline: the command line, and the user's hand.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub jobs: Option<NonZero<usize>>,
    pub env: BTreeMap<String, String>,
    pub inputs: BTreeMap<String, String>,
    pub environment: Option<String>,
    /// Steps whose gates are open from the start.
    pub approve: Vec<String>,
    /// Makes the source a repository, with all files committed on this branch.
    pub git: Option<String>,
    pub secrets: BTreeMap<String, String>,
    pub keep_going: bool,
    pub in_place: bool,
    pub log_limit: Option<Bytes>,
    /// Asks for the end once a step has printed this.
    pub cancel: Vec<(CancelLevel, String)>,
    /// Backends that cannot do it, each with the reason.
    pub not_on: BTreeMap<String, String>,
}

/// Where the cases are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases")
}

/// Every case, by name.
///
/// # Panics
/// When one cannot be read.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let entries = |path: &Path| {
        let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    for subject in entries(&folder()) {
        for path in entries(&subject) {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(folder()).unwrap().with_extension("");
            let case = Case::parse(name.to_str().unwrap(), &text);
            let case = case.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases.push(Case { path, ..case });
        }
    }
    cases
}

impl Case {
    /// Reads a case.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut case = Case {
            name: name.to_owned(),
            path: PathBuf::new(),
            title: String::new(),
            covers: Vec::new(),
            options: Options::default(),
            pipeline: String::new(),
            files: BTreeMap::new(),
            outline: String::new(),
            workspace: BTreeMap::new(),
        };
        let mut lines = text.lines();
        let title = lines.next().and_then(|line| line.strip_prefix("# "));
        title.unwrap_or_default().clone_into(&mut case.title);
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let body: String =
                    lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
                case.block(info, body)?;
            } else if let Some(option) = line.strip_prefix("- ") {
                let (key, value) = option.split_once(": ").ok_or(format!("`{option}` is no option"))?;
                case.option(key, value)?;
            }
        }
        for (what, missing) in [
            ("title", case.title.is_empty()),
            ("`- covers: L1, L2`", case.covers.is_empty()),
            ("pipeline", case.pipeline.is_empty()),
            ("outline", case.outline.is_empty()),
        ] {
            if missing {
                return Err(format!("there is no {what}"));
            }
        }
        if case.workspace.is_empty() == case.options.in_place {
            return Err("`workspace` blocks and `- in place: yes` go together".to_owned());
        }
        Ok(case)
    }

    fn block(&mut self, info: &str, body: String) -> Result<(), String> {
        match info.split_once(' ').unwrap_or((info, "")) {
            ("yaml", "") if self.pipeline.is_empty() => self.pipeline = body,
            ("outline", "") if self.outline.is_empty() => self.outline = body,
            ("file", path) if !path.is_empty() => _ = self.files.insert(path.to_owned(), body),
            ("workspace", path) if !path.is_empty() => _ = self.workspace.insert(path.to_owned(), body),
            _ => return Err(format!("a block of `{info}` is not known, or there twice")),
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("`{key}` does not take `{value}`");
        let yes = || if value == "yes" { Ok(true) } else { Err(wrong()) };
        let options = &mut self.options;
        match key {
            "covers" => {
                let groups = value.split(", ").map(|group| group.strip_prefix('L')?.parse().ok());
                self.covers = groups.collect::<Option<_>>().ok_or_else(wrong)?;
            }
            "jobs" => options.jobs = Some(value.parse().map_err(|_| wrong())?),
            "env" | "input" | "secret" => {
                let (name, value) = value.split_once('=').ok_or_else(wrong)?;
                let values = match key {
                    "env" => &mut options.env,
                    "input" => &mut options.inputs,
                    _ => &mut options.secrets,
                };
                values.insert(name.to_owned(), value.to_owned());
            }
            "approve" => options.approve.push(value.to_owned()),
            "git" => options.git = Some(value.to_owned()),
            "environment" => options.environment = Some(value.to_owned()),
            "keep going" => options.keep_going = yes()?,
            "in place" => options.in_place = yes()?,
            "log limit" => options.log_limit = Some(Bytes::parse(value).map_err(|_| wrong())?),
            "cancel" => {
                let (level, text) = value.split_once(" at ").ok_or_else(wrong)?;
                let level = match level {
                    "drain" => CancelLevel::Drain,
                    "stop" => CancelLevel::Stop,
                    "kill" => CancelLevel::Kill,
                    _ => return Err(wrong()),
                };
                options.cancel.push((level, text.to_owned()));
            }
            "not on" => {
                let (backend, reason) = value.split_once(", ").ok_or_else(wrong)?;
                options.not_on.insert(backend.to_owned(), reason.to_owned());
            }
            _ => return Err(format!("there is no option `{key}`")),
        }
        Ok(())
    }
}
