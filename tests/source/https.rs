//! https: who the server is, who we are to it, and what it may not make us do.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use windlass::base::RunId;
use windlass::ledger::Ledger;
use windlass::source::{FromUrl, SourceError, capture_url};

use crate::executable::executable;
use crate::place::{Ended, Place, until};
use crate::servers::{Authority, Https};

/// A person who trusts the authority of a server with one repository.
fn trusting() -> (Place, Https) {
    let mut place = Place::new();
    place.repository("a");
    let authority = Authority::new(place.path());
    let server = Https::start(&place.repositories(), authority.certificate("localhost", "2"));
    place.set("SSL_CERT_FILE", authority.file());
    (place, server)
}

#[test]
fn a_repository_of_a_trusted_server_is_captured() {
    let (place, server) = trusting();
    place.plan(&server.url("open/a.git")).captured();
    place.nothing_is_left();
    let count = server.requests().len();
    // Refs are listed again, and nothing is fetched.
    place.plan(&server.url("open/a.git")).captured();
    assert_eq!(server.requests().len(), count + 1, "{:?}", server.requests());
    assert!(server.requests().iter().all(|request| request.ends_with(" -")), "nobody was told who asks");
}

#[test]
fn a_certificate_is_checked_in_every_respect() {
    let mut place = Place::new();
    place.repository("a");
    let authority = Authority::new(place.path());
    let server = |name, days| Https::start(&place.repositories(), authority.certificate(name, days));
    let good = server("localhost", "2");
    place
        .plan(&good.url("open/a.git"))
        .refused(&["is not from an authority that this machine trusts", "SSL_CERT_FILE"]);
    let expired = server("localhost", "-1");
    let other = server("elsewhere.test", "2");
    let strange = Authority::new(&place.path().join("strange"));
    let strange = Https::start(&place.repositories(), strange.certificate("localhost", "2"));
    place.set("SSL_CERT_FILE", authority.file());
    place.plan(&expired.url("open/a.git")).refused(&["its certificate expired on 20", "clock"]);
    place.plan(&other.url("open/a.git")).refused(&["for another name than `localhost`"]);
    place
        .plan(&good.url("open/a.git").replace("localhost", "127.0.0.1"))
        .refused(&["no certificate for the address"]);
    place.plan(&strange.url("open/a.git")).refused(&["not from an authority"]);
    let requests = [good.requests(), expired.requests(), other.requests(), strange.requests()].concat();
    assert_eq!(requests, [""; 0], "nothing is asked of somebody who is not known");
    place.plan(&good.url("open/a.git")).captured();
    place.nothing_is_left();
}

#[test]
fn credentials_of_the_url_are_used_and_kept_nowhere() {
    let (place, server) = trusting();
    let url = |login: &str| server.url("auth/a.git").replace("://", &format!("://{login}@"));
    let ended = place.plan(&url("me:s3cret-token"));
    ended.captured();
    assert!(!format!("{ended:?}").contains("s3cret"), "{ended:?}");
    place.nothing_is_left();
    place.holds_no("s3cret-token");
    let ended = place.plan(&url("me:wr0ng-token"));
    ended.refused(&["refused the credentials", "offered the credentials of the URL", "credential helper"]);
    assert!(!ended.stderr.contains("wr0ng"), "{ended:?}");
    place.plan(&server.url("auth/a.git")).refused(&["asks for credentials, and there are none"]);
    let plain = format!("http://me:s3cret-token@localhost:{}/auth/a.git", server.port);
    let ended = place.plan(&plain);
    ended.refused(&["http is not encrypted"]);
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    place.holds_no("wr0ng-token");
}

#[test]
fn a_credential_helper_is_asked_once_and_never_waited_for() {
    let (place, server) = trusting();
    let helper = place.path().join("helper");
    let asked = place.path().join("asked");
    let answer = |login: &str| {
        let script = format!("#!/bin/sh\necho \"$1\" >>{0}\ncat >>{0}\n{login}\n", asked.display());
        executable(&helper, script.as_bytes());
    };
    let section =
        format!("[credential \"https://localhost:{}\"]\n\thelper = {}\n", server.port, helper.display());
    fs::write(place.home().join(".gitconfig"), section).expect("writable");
    let url = server.url("auth/a.git");
    answer("echo username=me; echo password=s3cret-token");
    place.plan(&url).captured();
    let question = format!("get\nprotocol=https\nhost=localhost:{}\n\n", server.port);
    let asked_for = fs::read_to_string(&asked).expect("it was asked");
    assert!(asked_for.starts_with(&question) && asked_for.len() == 2 * question.len(), "{asked_for}");
    place.holds_no("s3cret-token");
    answer("echo username=me; echo password=wr0ng-token");
    let ended = place.plan(&url);
    ended.refused(&["refused the credentials", "offered those of git's credential helper"]);
    assert!(!ended.stderr.contains("wr0ng"), "{ended:?}");
    answer("exit 1");
    place.plan(&url).refused(&["asks for credentials, and there are none"]);
    // One that wants to talk to a person gets nobody, and is over with when the person gives up.
    let pid = place.path().join("pid");
    answer(&format!("echo $$ >{0}.new && mv {0}.new {0}; exec sleep 1000", pid.display()));
    let child = place.start(&["plan", &url]);
    until("the helper is asked", || pid.exists());
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let ended = Ended::of(&child.wait_with_output().expect("it was started"));
    assert_eq!(ended.code, Some(143), "{ended:?}");
    place.nothing_is_left();
    let pid = fs::read_to_string(pid).expect("written");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
    // It outlives whoever asked it by no more than its time.
    let _ = kill_process(pid, Signal::KILL);
}

#[test]
fn each_answer_that_is_no_repository_has_its_error() {
    let (place, server) = trusting();
    for (path, says) in [
        ("status/401/a", "asks for credentials"),
        ("status/403/a", "may not be read"),
        ("status/404/a", "there is no git repository"),
        ("status/410/a", "there is no git repository"),
        ("status/500/a", "cannot fetch from"),
        ("page/a", "there is no git repository"),
        ("open/none.git", "there is no git repository"),
    ] {
        let ended = place.plan(&server.url(path));
        let lines = ended.stderr.lines().count();
        let one = ended.code == Some(2) && ended.stderr.starts_with("error: ") && lines <= 2;
        assert!(one && ended.stderr.contains(says) && !ended.stderr.contains('\x1b'), "{path}: {ended:?}");
    }
    place.nothing_is_left();
}

#[test]
fn a_redirect_stays_within_the_host() {
    let (place, server) = trusting();
    place.plan(&server.url("moved/a.git")).captured();
    let (_other_place, other) = trusting();
    let away =
        server.url(&format!("away/127.0.0.1/{}/a.git", other.port)).replace("://", "://me:s3cret-token@");
    let ended = place.plan(&away);
    ended.refused(&["leads to another host", "name that URL instead"]);
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    assert_eq!(other.requests(), [""; 0]);
    place.plan(&server.url("plain/a.git")).refused(&["redirect"]);
    place.nothing_is_left();
}

/// A server that takes connections and says nothing, and two that stop in the middle.
#[test]
fn silence_ends_by_itself_and_at_once_when_asked() {
    let (place, server) = trusting();
    let mute = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = mute.local_addr().expect("it has one").port();
    let mute_urls = ["https://", "http://", "ssh://git@"].map(|begin| format!("{begin}127.0.0.1:{port}/a"));
    let other = Place::new();
    let ledger = Ledger::open(&other.state()).expect("a ledger");
    for url in &mute_urls {
        let run = RunId::generate();
        let ledger = ledger.begin(&run).expect("a ledger");
        let from = FromUrl { silence: Duration::from_secs(1), ..FromUrl::new(url) };
        let error = capture_url(&other.state(), from, &run, &ledger, &|| true).expect_err("nobody answers");
        assert!(matches!(error, SourceError::Silent { seconds: 1, .. }), "{error:?}");
        ledger.finish().expect("nothing is open");
        drop(mute.accept());
    }
    other.nothing_is_left();
    for url in mute_urls.into_iter().chain([server.url("hang/a.git"), server.url("stall/a.git")]) {
        let before = server.requests().len();
        let child = place.start(&["plan", &url]);
        let _connection = if url.contains("localhost") {
            until("it asks", || server.seen().len() > before);
            None
        } else {
            Some(mute.accept().expect("it connects"))
        };
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        let ended = Ended::of(&child.wait_with_output().expect("it was started"));
        assert_eq!(ended.code, Some(143), "{url}: {ended:?}");
        place.nothing_is_left();
    }
}
