//! The cases about services: names, addresses, and when they are ready.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;

use super::{Bench, Heard, listen, next_said};
use crate::backend::{
    ContainerSpec, Control, GivenSecret, Hosts, How, ProgramSpec, Progress, SecretPlace, Started,
};
use crate::base::Secret;
use crate::plan::Probe;

/// A server that knows one file, `/hostname`.
const SERVER: &str = "httpd -f -p 8080 -h /etc";

impl Bench<'_> {
    /// A service that runs a script, beside the step `with`.
    fn service(&self, with: &str, name: &str, body: &str) -> ContainerSpec {
        let spec = self.script(with, body);
        ContainerSpec { service: Some(name.to_owned()), among_services: true, ..spec }
    }

    /// A service that runs the program of its image, which is that of its arguments here, as the image names none.
    fn own(&self, with: &str, name: &str, body: &str) -> ContainerSpec {
        let args = ["sh", "-c", body].map(str::to_owned).to_vec();
        ContainerSpec { program: ProgramSpec::Entrypoint { args }, ..self.service(with, name, body) }
    }

    /// A step that gets a file from a server and prints it.
    fn client(&self, name: &str, host: &str) -> ContainerSpec {
        let spec = self.script(name, &format!("wget -q -O - http://{host}:8080/hostname"));
        ContainerSpec { among_services: true, ..spec }
    }

    /// Starts a container, lets it go with these names, and listens to its end.
    async fn complete_with(&self, spec: ContainerSpec, hosts: &[(&str, IpAddr)]) -> Heard {
        let mut started = self.start(spec).await;
        started.control.go(named(hosts)).await;
        listen(&mut started).await
    }
}

fn named(hosts: &[(&str, IpAddr)]) -> Hosts {
    hosts.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect()
}

/// Whether a service is ready soon.
async fn is_ready(service: &dyn Control, probe: &Probe, within: Duration) -> bool {
    tokio::time::timeout(within, service.ready(probe)).await.is_ok()
}

const SOON: Duration = Duration::from_mins(3);
const NEVER: Duration = Duration::from_millis(700);

async fn started(bench: &Bench<'_>, with: &str, name: &str) -> (Started, IpAddr) {
    let service = bench.start(bench.service(with, name, SERVER)).await;
    let address = service.address.expect("a service has an address");
    service.control.go(Hosts::new()).await;
    assert!(is_ready(&*service.control, &Probe::Port(8080), SOON).await, "{name} listens");
    (service, address)
}

pub(super) async fn services_are_reached_by_name_each_at_its_own_address(bench: &Bench<'_>) {
    let ((mut one, first), (mut two, second)) =
        tokio::join!(started(bench, "a", "one"), started(bench, "a", "two"));
    assert_ne!(first, second, "two services may use one port");
    let hosts = [("one", first), ("two", second)];
    let (by_one, by_two, own) = tokio::join!(
        bench.complete_with(bench.client("asks-one", "one"), &hosts),
        bench.complete_with(bench.client("asks-two", "two"), &hosts),
        bench.complete_with(bench.client("asks-itself", "localhost"), &hosts),
    );
    for heard in [by_one, by_two] {
        // Not every engine ends the line.
        assert_eq!((heard.stdout.trim_ascii_end(), heard.ended.how), (&b"windlass"[..], How::Exited(0)));
    }
    assert_ne!(own.ended.how, How::Exited(0), "localhost is the step itself");
    one.control.kill().await;
    two.control.stop().await;
    for service in [&mut one, &mut two] {
        assert_eq!(listen(service).await.ended.how, How::Stopped);
    }
    assert!(bench.start(bench.script("alone", "true")).await.address.is_none());
}

pub(super) async fn services_reach_one_another_and_themselves_by_name(bench: &Bench<'_>) {
    let serves =
        |name: &str, port: u16| bench.service("c", name, &format!("echo {name}\nhttpd -f -p {port} -h /etc"));
    let (one, two) = tokio::join!(bench.start(serves("one", 8080)), bench.start(serves("two", 8081)));
    let address = |service: &Started| service.address.expect("a service has an address");
    // Both are somewhere before either may go, so each can be told of the other.
    let hosts = named(&[("one", address(&one)), ("two", address(&two))]);
    let controls = [&*one.control, &*two.control];
    for control in controls {
        control.go(hosts.clone()).await;
    }
    let get = |url: &str| Probe::Command(["wget", "-q", "-O", "-", url].map(str::to_owned).to_vec());
    let (first, second) = (get("http://one:8080/hostname"), get("http://two:8081/hostname"));
    for control in controls {
        assert!(is_ready(control, &first, SOON).await);
        assert!(is_ready(control, &second, SOON).await);
    }
    assert!(!is_ready(&*one.control, &get("http://three:8080/hostname"), NEVER).await);
}

pub(super) async fn a_service_is_ready_when_what_is_asked_of_it_holds(bench: &Bench<'_>) {
    let (server, _) = started(bench, "b", "server").await;
    let words = |line: &str| Probe::Command(line.split(' ').map(str::to_owned).collect());
    let get = |path: &str| Probe::Http { port: 8080, path: path.to_owned() };
    let (fetches, fails) = (words("wget -q -O - http://localhost:8080/hostname"), words("false"));
    let (found, missing) = (get("/hostname"), get("/no-such-file"));
    let ready = |probe, within| is_ready(&*server.control, probe, within);
    let held_true = tokio::join!(ready(&found, SOON), ready(&fetches, SOON), ready(&Probe::Image, SOON));
    assert_eq!(held_true, (true, true, true));
    let closed = Probe::Port(8081);
    let never = tokio::join!(ready(&missing, NEVER), ready(&fails, NEVER), ready(&closed, NEVER));
    assert_eq!(never, (false, false, false));
}

pub(super) async fn a_service_that_ends_is_never_ready_and_its_end_is_told(bench: &Bench<'_>) {
    let mut service = bench.start(bench.service("a", "db", "echo no room >&2\nexit 3")).await;
    service.control.go(Hosts::new()).await;
    let heard = listen(&mut service).await;
    assert_eq!((heard.stderr, heard.ended.how), (b"no room\n".to_vec(), How::Exited(3)));
    assert!(!is_ready(&*service.control, &Probe::Port(8080), NEVER).await);
}

pub(super) async fn the_names_of_a_step_are_not_those_of_the_next_in_its_lane(bench: &Bench<'_>) {
    let (_server, address) = started(bench, "a", "db").await;
    let in_lane = |spec| ContainerSpec { lane: Some(0), ..spec };
    for (name, hosts, passes) in
        [("first", &[("db", address)][..], true), ("second", &[], false), ("third", &[("db", address)], true)]
    {
        let heard = bench.complete_with(in_lane(bench.client(name, "db")), hosts).await;
        assert_eq!(
            heard.ended.how == How::Exited(0),
            passes,
            "{name}: {}",
            String::from_utf8_lossy(&heard.stderr)
        );
    }
}

pub(super) async fn a_service_may_run_the_program_of_its_image(bench: &Bench<'_>) {
    let secret =
        |value: &str, place| GivenSecret { value: Secret::new(value).expect("it is long enough"), place };
    let body = format!("echo \"$WORD $TOKEN\"\ncat /run/of-its-own/key\necho\nseq 1 2000\n{SERVER}");
    let mut spec = bench.own("a", "own", &body);
    spec.env = [("WORD".to_owned(), "of $(its) own".to_owned())].into();
    spec.secrets = vec![
        secret("the-environment xyzzy", SecretPlace::Variable("TOKEN".to_owned())),
        secret("the-file xyzzy", SecretPlace::File("/run/of-its-own/key".to_owned())),
    ];
    let mut service = bench.start(spec).await;
    let address = service.address.expect("a service has an address");
    let hosts = [("own", address)];
    let early = tokio::time::timeout(NEVER, service.progress.next()).await;
    assert!(early.is_err(), "a held program said {early:?}");
    service.control.go(named(&hosts)).await;
    let numbers = (1..=2000).fold(String::new(), |lines, number| lines + &format!("{number}\n"));
    let expected = format!("of $(its) own the-environment xyzzy\nthe-file xyzzy\n{numbers}");
    let mut printed = Vec::new();
    while printed.len() < expected.len() {
        match next_said(&mut service).await {
            Some(Progress::Output(_, bytes)) => printed.extend(bytes),
            other => panic!("output was expected, not {other:?}"),
        }
    }
    assert_eq!(String::from_utf8_lossy(&printed), expected);
    let get = ["wget", "-q", "-O", "-", "http://own:8080/hostname"].map(str::to_owned).to_vec();
    for probe in [Probe::Port(8080), Probe::Command(get)] {
        assert!(is_ready(&*service.control, &probe, SOON).await, "{probe:?}");
    }
    let heard = bench.complete_with(bench.client("asks", "own"), &hosts).await;
    assert_eq!((heard.stdout.trim_ascii_end(), heard.ended.how), (&b"windlass"[..], How::Exited(0)));
    assert!(!bench.harness.inspect().await.contains("xyzzy"));
    service.control.kill().await;
    let heard = listen(&mut service).await;
    assert_eq!((heard.stdout, heard.ended.how), (vec![], How::Stopped));
}

pub(super) async fn the_end_of_the_program_of_its_image_is_told(bench: &Bench<'_>) {
    let (body, ends) = ("echo up\nexit 3", "sleep 600");
    let (mut early, mut late, mut held) = tokio::join!(
        bench.start(bench.own("a", "early", body)),
        bench.start(bench.own("a", "late", ends)),
        bench.start(bench.own("a", "held", ends)),
    );
    early.control.go(Hosts::new()).await;
    late.control.go(Hosts::new()).await;
    let heard = listen(&mut early).await;
    assert_eq!((heard.stdout, heard.ended.how), (b"up\n".to_vec(), How::Exited(3)));
    for service in [&mut late, &mut held] {
        service.control.stop().await;
        let heard = listen(service).await;
        assert_eq!((heard.stdout, heard.ended.how), (vec![], How::Stopped));
    }
}
