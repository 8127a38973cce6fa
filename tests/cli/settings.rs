//! The user's settings on their way from the file to the backend.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use windlass::backend::Backend;
use windlass::backend::fake::Fake;
use windlass::backend::policy::{Allowance, Policy, Trust};
use windlass::config::Settings;
use windlass::engine;
use windlass::runner::{Home, Request, Source, prepare};

use crate::support::TestHome;

const PIPELINE: &str = "stages: [{ name: s, steps: [{ name: a, image: x, run: echo hi }] }]\n";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn what_is_allowed_to_a_repository_reaches_the_backend_of_its_runs_alone() {
    for (named, allowed) in [(true, true), (false, false)] {
        let place = TestHome::with_pipeline(PIPELINE);
        let work = place.work().canonicalize().expect("it was made");
        let source = if named { work.clone() } else { work.join("other") };
        let text = format!(
            "[[allow]]\nsource = '{}'\nimage = '{DIGEST}'\ncapabilities = ['NET_ADMIN']\n",
            source.display()
        );
        let fake = Fake::new();
        let backend: Arc<dyn Backend> = Arc::new(fake.clone());
        let mut request = Request::pipeline(Source::Directory(work));
        request.settings = Settings::parse("config.toml", &text).expect("it is valid");
        let home = Home::at(&place.state()).expect("the place is ours");
        let (_handle, cancel) = engine::cancel();
        let prepared =
            prepare(&home, request, async { Ok(backend) }.boxed(), cancel).await.expect("it is valid");
        prepared.run(Vec::new()).await.expect("it runs");
        let allowance = Allowance {
            image: DIGEST.to_owned(),
            capabilities: vec!["NET_ADMIN".to_owned()],
            ..Allowance::default()
        };
        let allowances = if allowed { vec![allowance] } else { Vec::new() };
        assert_eq!(fake.policies(), [Arc::new(Policy { trust: Trust::Trusted, allowances })]);
    }
}

#[test]
fn settings_that_are_wrong_are_one_error_with_its_line_and_nothing_runs() {
    let mut place = TestHome::with_pipeline(PIPELINE);
    let folder = place.work().join("config");
    fs::create_dir_all(folder.join("windlass")).expect("the place is ours");
    place.set("XDG_CONFIG_HOME", folder.to_str().expect("a plain path"));
    for (text, says) in [
        ("[[allow]]\nsource = '/a'\nprivileged = 'yes'\n", "windlass/config.toml:3:"),
        ("\nallowed = 1\n", "windlass/config.toml:2:"),
        ("[[allow]]\nsource = 'a'\nimage = 'rust'\n", "windlass/config.toml:2:"),
    ] {
        write(&folder, text);
        place.run(&["run"]).code(2).stdout("").says(&[says, "W0901"]);
        assert_eq!(place.leftovers(), [""; 0]);
    }
    write(&folder, "# nothing\n");
    // It goes on to the backend, which is not there.
    place.run(&["run"]).code(5);
}

/// Settings that nobody else can write, whatever is usual here.
fn write(folder: &Path, text: &str) {
    let path = folder.join("windlass/config.toml");
    fs::write(&path, text).expect("the place is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("the file is ours");
}
