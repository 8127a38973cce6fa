//! What a step is told in secret comes out nowhere, whatever it prints (goal D3). The same run without
//! anything to hide shows that it would be found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use windlass::base::Secret;
use windlass::event::{Event, EventKind, RunState};
use windlass::report::{Ndjson, Notices, Plain, Raw, Reader, Style};
use windlass::runner::{Home, Request, Source, docker, prepare};

use crate::bed::{Bed, IMAGE, docker_host};
use crate::tty::Terminal;

const CANARY: &str = "canary-7391/xyzzy+plugh?";

/// Prints the canary in every way that the image has tools for, on both streams, a piece at a time too.
const SCRIPT: &str = r#"
p() { printf %s "$CANARY"; }
all() {
  p; echo; p | base64; echo "user:$CANARY" | base64; p | base64 | base64
  p | od -An -v -tx1; p | od -An -v -tx1 | tr -d ' \n'; echo
  p | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\x/g'; echo
  p | sed 's/./&'"$(printf '\033[1;31m')"'/g'; echo; p | sed 's/./& /g'; echo
  p | sed 's/+/%2B/g; s/?/%3F/g; s,/,%2F,g'; echo
  { yes padding | head -n 6 | tr -d '\n'; p; } | base64 -w 76
  cat /run/secrets/canary; echo; env | grep CANARY
  i=0; while [ $i -lt ${#CANARY} ]; do p | cut -c$((i+1)) | tr -d '\n'; i=$((i+1)); done; echo
}
[ "$(cat /run/secrets/canary)" = "$CANARY" ]
[ "$(stat -L -c '%a %u' /run/secrets/canary)" = "400 1234" ]
[ "$(stat -f -c %T -L /run/secrets/canary)" = tmpfs ]
all; all >&2
until [ -e looked ]; do sleep 0.1; done
"#;

/// Somewhere to write to that can be looked at afterwards.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn taken(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at the containers, and at every process of this machine, while the step runs.
struct Looker {
    instance: String,
    seen: Sink,
    /// Made when it has looked; the step waits for that.
    looked: PathBuf,
}

impl Reader for Looker {
    fn read(&mut self, event: &Event, _: &RunState) {
        if !matches!(event.kind, EventKind::StepStarted { .. }) {
            return;
        }
        let script = format!(
            "ids=$(docker ps -aq --filter label=dev.windlass.instance={0}); docker inspect $ids; \
             docker volume ls --filter label=dev.windlass.instance={0}; cat /proc/[0-9]*/cmdline; \
             for id in $ids; do tr '\\0' '\\n' < /proc/$(docker inspect -f '{{{{.State.Pid}}}}' $id)/environ; done",
            self.instance
        );
        let output =
            Command::new("sh").args(["-c", &script]).env("DOCKER_HOST", docker_host()).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("/windlass-helper"), "the step is seen");
        drop(self.seen.write_all(&output.stdout));
        fs::write(&self.looked, "").unwrap();
    }
}

/// Everything that a run says and leaves, by where it was found.
fn everything_of_a_run(masked: bool) -> BTreeMap<String, Vec<u8>> {
    let bed = Bed::new(&format!(
        "secrets: [{{ name: CANARY, mask: {masked} }}]\nstages: [{{ name: test, steps: [{{ name: unit, image: {IMAGE}, \
         timeout: 10m, user: '1234', secrets: [CANARY, {{ name: CANARY, file: /run/secrets/canary }}], run: {SCRIPT:?} }}] }}]\n"
    ));
    let sinks: BTreeMap<&str, Sink> =
        ["plain", "colored", "notices", "ndjson", "raw", "raw errors", "inspect"]
            .map(|name| (name, Sink::default()))
            .into();
    let to = |name: &str| Box::new(sinks[name].clone());
    let mut found = BTreeMap::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let home = Home::at(&bed.home()).unwrap();
        let mut request = Request::pipeline(Source::InPlace(bed.project()));
        request.secret_sources.given.insert("CANARY".to_owned(), Secret::unmasked(CANARY));
        found.insert("the request".to_owned(), format!("{request:?}").into_bytes());
        let (_cancel, cancelled) = windlass::engine::cancel();
        let prepared = prepare(&home, request, docker(&home), cancelled).await.unwrap();
        let plan = prepared.plan().clone();
        let finished = prepared
            .run(vec![
                Box::new(Plain::new(&plan, to("plain"), Style::default())),
                Box::new(Plain::new(&plan, to("colored"), Style { color: true, ..Style::default() })),
                Box::new(Notices::new(&plan, to("notices"), Style::default())),
                Box::new(Ndjson::new(to("ndjson"))),
                Box::new(Raw::new(to("raw"), to("raw errors"))),
                Box::new(Looker {
                    instance: bed.instance(),
                    seen: sinks["inspect"].clone(),
                    looked: bed.project().join("looked"),
                }),
            ])
            .await
            .unwrap();
        assert_eq!(finished.failures, []);
        found.insert("the result".to_owned(), format!("{finished:?}").into_bytes());
    });
    found.extend(sinks.iter().map(|(name, sink)| ((*name).to_owned(), sink.taken())));
    below(&bed.home(), &mut found);
    bed.assert_clean();
    found
}

fn below(directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
}

/// What the canary looks like, in full.
fn needles() -> Vec<String> {
    let bytes = CANARY.as_bytes();
    let hex =
        |between: &str| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between);
    let once = BASE64_STANDARD.encode(bytes);
    let mut needles = vec![CANARY.to_owned(), hex(""), hex(" "), hex("\\x"), BASE64_STANDARD.encode(&once)];
    // The digits in the middle do not depend on what comes before and after.
    for before in ["", "x", "xy"] {
        let coded = BASE64_URL_SAFE_NO_PAD.encode(format!("{before}{CANARY}"));
        needles.push(coded.chars().skip(4).take(24).collect());
        needles.push(BASE64_STANDARD.encode(format!("{before}{CANARY}")).chars().skip(4).take(24).collect());
    }
    needles.push(CANARY.chars().map(|c| format!("{c} ")).collect::<String>().trim_end().to_owned());
    needles.push(CANARY.replace('+', "%2B").replace('?', "%3F").replace('/', "%2F"));
    needles
}

/// Where the canary is found, by place and by needle.
fn hits(found: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    let mut hits = BTreeMap::new();
    for (place, content) in found {
        let text = format!("{place}\n{}", String::from_utf8_lossy(content));
        // As it is, and as somebody sees it who sees no colours and no ends of lines.
        let bare = text.replace("\u{1b}[1;31m", "").replace("\\u001b[1;31m", "");
        let joined = bare.replace(['\n', '\r'], "");
        for needle in needles() {
            if text.contains(&needle) || bare.contains(&needle) || joined.contains(&needle) {
                let all: &mut String = hits.entry(place.clone()).or_default();
                write!(all, "{needle} ").unwrap();
            }
        }
    }
    hits
}

#[test]
fn a_canary_comes_out_nowhere() {
    let found = everything_of_a_run(true);
    assert_eq!(hits(&found), BTreeMap::new());
    let text = |place: &str| String::from_utf8_lossy(&found[place]).into_owned();
    let (raw, errors) = (text("raw"), text("raw errors"));
    assert!(raw.contains("***") && errors.contains("***"), "{raw}\n{errors}");
    assert!(found.keys().any(|place| place.ends_with("unit.1.log")), "the log was looked at");

    let open = hits(&everything_of_a_run(false));
    for place in ["plain", "ndjson", "raw", "raw errors"] {
        assert!(open.contains_key(place), "{place} would not be noticed: {:?}", open.keys());
    }
    assert!(open.keys().any(|place| place.ends_with("unit.1.log")));
    for place in ["inspect", "notices", "the request"] {
        assert!(!open.contains_key(place), "{place}: what a step is told is never part of its container");
    }
}

/// A person types one, a file and the environment have the others, and what steps write for later ones comes
/// out as it was written.
#[test]
fn secrets_come_from_a_person_too_and_outputs_come_out() {
    let bed = Bed::new(&format!(
        "secrets: [TYPED, FROM_FILE, FROM_ENV]\ndefaults: {{ image: {IMAGE}, user: '1234' }}\nstages:\n\
         - name: one\n  steps:\n  - name: given\n    secrets: [TYPED, FROM_FILE, FROM_ENV]\n    \
         run: echo ${{#TYPED}} ${{#FROM_FILE}} ${{#FROM_ENV}} $TYPED\n\
         - name: two\n  steps:\n  - name: write\n    matrix: {{ n: ['1', '2'] }}\n    outputs: [number, text]\n    run: |\n      \
         echo number=$N >> $WINDLASS_OUTPUT\n      \
         printf 'text<<END\\none\\n\\n two\\nEND\\n' >> $WINDLASS_OUTPUT\n"
    ))
    .with("FROM_ENV", "of-the-environment");
    bed.write("../secrets", "FROM_FILE<<END\nof-the\nfile\nEND\n");
    let file = bed.home().with_file_name("secrets");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let mut terminal = Terminal::start(&bed.command(&["run", "--output", "json", "--secret-file", file]));
    terminal.wait_for("secret TYPED: ");
    terminal.press("typed-by-a-person\n");
    let (status, said) = terminal.finish();
    assert!(status.success(), "{said}");
    assert!(!said.contains("typed-by-a-person"), "nobody sees it: {said}");
    assert!(said.contains("17 11 18 ***"), "{said}");
    for number in ["1", "2"] {
        let written = format!(
            r#""type":"outputs_written","step":"write-{number}","attempt":1,"outputs":{{"number":"{number}","text":"one\n\n two"}}"#
        );
        assert!(said.contains(&written), "{said}");
    }
    bed.assert_clean();
}
