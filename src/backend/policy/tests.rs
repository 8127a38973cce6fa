//! Every combination of what is asked for, allowed and trusted, against the same rules written once
//! more, in another way; and defects that this must notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::backend::fake::Fake;
use crate::backend::{Backend, GivenSecret, Privileges, ProgramSpec, RunSpec, SecretPlace};
use crate::base::{RunId, Secret, StepId};
use crate::ledger::Ledger;
use crate::plan::{ImageFile, Network, Resources};

/// Cases of the sweep; each of the defects gets as many.
const CASES: u64 = 100_000;

const IMAGE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn spec(image: &str, privileges: Privileges) -> ContainerSpec {
    ContainerSpec {
        step: StepId::new("unit"),
        attempt: 1,
        service: None,
        image: image.into(),
        program: ProgramSpec::Command(vec!["true".to_owned()]),
        secrets: vec![],
        env: BTreeMap::new(),
        user: None,
        workdir: Some("/workspace".to_owned()),
        workspace: true,
        network: Network::Own,
        among_services: false,
        resources: Resources { pids: Some(4096), ..Resources::default() },
        timeout: Duration::from_secs(1),
        grace: Duration::from_secs(1),
        log_limit: 1,
        lane: None,
        no_new_privileges: true,
        privileges,
        substitution: None,
    }
}

/// Numbers that are the same in every run of the tests.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % count
    }

    fn one(&mut self, of: &[&str]) -> String {
        of[self.below(of.len())].to_owned()
    }

    /// None as a rule, now and then one or two.
    fn some(&mut self, make: impl Fn(&mut Self) -> String) -> Vec<String> {
        let count = [0, 0, 0, 0, 0, 1, 1, 2][self.below(8)];
        (0..count).map(|_| make(self)).collect()
    }

    fn rarely(&mut self) -> bool {
        self.below(8) == 0
    }

    /// A path that means something, in some spelling.
    fn path(&mut self) -> String {
        const PLACES: [&str; 14] = [
            "/srv/data",
            "/srv/data/x",
            "/srv",
            "/",
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/var/run",
            "/run",
            "/proc",
            "/sys/fs/cgroup",
            "/dev/kvm",
            "/dev/sda",
            "/etc/shadow",
            "/SRV/data",
        ];
        let plain = self.one(&PLACES);
        match self.below(10) {
            0 => format!("{plain}/"),
            1 => plain.replace('/', "//"),
            2 => format!("/srv/..{plain}"),
            3 => format!("{plain}/../{}", self.one(&["data", "docker.sock", "etc", ".."])),
            4 => format!("/.{plain}/."),
            5 => plain.trim_start_matches('/').to_owned(),
            6 => format!("{plain}/./x/.."),
            _ => plain,
        }
    }

    fn mount(&mut self) -> String {
        let to = self.one(&["/data", "/data", "/data", "/proc/x", "/x/../dev", "/", "/windlass", "data", ""]);
        let end = self.one(&["", "", ":ro", ":rw", ":ro,shared", ":z", ":rw:", ":RO"]);
        if self.below(20) == 0 { self.path() } else { format!("{}:{to}{end}", self.path()) }
    }

    fn device(&mut self) -> String {
        let end = self.one(&[
            "",
            "",
            ":/dev/x",
            ":/dev/x:r",
            ":/dev/x:rwm",
            ":/etc/x",
            ":/dev/x:",
            ":/dev/x:rx",
            ":/dev/../x",
        ]);
        format!("{}{end}", self.path())
    }

    fn capability(&mut self) -> String {
        self.one(&[
            "NET_ADMIN",
            "CAP_NET_ADMIN",
            "net_admin",
            "cap_Net_Admin",
            "SYS_ADMIN",
            "ALL",
            "CAP_ALL",
            "CAP_CAP_NET_ADMIN",
            " NET_ADMIN",
            "",
        ])
    }

    fn option(&mut self) -> String {
        self.one(&[
            "seccomp=unconfined",
            "seccomp:unconfined",
            "apparmor=unconfined",
            "SECCOMP=UNCONFINED",
            "label=disable",
        ])
    }

    fn case(&mut self) -> (Policy, ContainerSpec) {
        let allowances = (0..self.below(4))
            .map(|_| Allowance {
                image: self.one(&[IMAGE, IMAGE, OTHER]),
                privileged: self.below(3) == 0,
                host_network: self.below(3) == 0,
                mounts: (0..self.below(4)).map(|_| self.path()).collect(),
                capabilities: (0..self.below(3)).map(|_| self.capability()).collect(),
                devices: (0..self.below(4)).map(|_| self.path()).collect(),
                security_options: (0..self.below(3)).map(|_| self.option()).collect(),
            })
            .collect();
        let trust = if self.below(5) == 0 { Trust::Untrusted } else { Trust::Trusted };
        let privileges = Privileges {
            privileged: self.rarely(),
            host_network: self.rarely(),
            host_mounts: self.some(Self::mount),
            capabilities: self.some(Self::capability),
            devices: self.some(Self::device),
            security_options: self.some(Self::option),
        };
        let images = [
            &format!("tool@{IMAGE}"),
            &format!("host:5000/tool:1@{IMAGE}"),
            &format!("tool@{OTHER}"),
            "tool:1",
            IMAGE,
        ];
        let mut spec = spec(&self.one(&images), privileges);
        if self.below(8) == 0 {
            let file = ImageFile { path: format!("tool@{IMAGE}"), name: None };
            spec.image = ContainerImage::File(file);
        }
        if self.below(4) == 0 {
            spec.workdir = (!self.rarely()).then(|| self.path());
        }
        if self.rarely() {
            spec.resources.pids = [None, Some(0), Some(1)][self.below(3)];
        }
        spec.lane = self.rarely().then_some(0);
        spec.no_new_privileges = !self.rarely();
        (Policy { trust, allowances }, spec)
    }
}

/// Where a path leads, as text.
fn place(path: &str) -> Option<String> {
    let below = path.strip_prefix('/').filter(|below| !below.contains('\0'))?;
    let mut names: Vec<&str> = Vec::new();
    for name in below.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    Some(format!("/{}", names.join("/")))
}

fn below(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path == *place || path.starts_with(&format!("{place}/")))
}

/// The rules in the words of `docs/settings.md`.
fn oracle(policy: &Policy, spec: &ContainerSpec) -> bool {
    let asked = &spec.privileges;
    let image = if let ContainerImage::Reference(reference) = &spec.image { reference } else { "" };
    let here =
        |one: &&Allowance| policy.trust == Trust::Trusted && image.ends_with(&format!("@{}", one.image));
    let all: Vec<&Allowance> = policy.allowances.iter().filter(here).collect();
    let listed = |lists: fn(&Allowance) -> &Vec<String>, wanted: &str| {
        all.iter().flat_map(|one| lists(one)).any(|path| place(path).as_deref() == Some(wanted))
    };
    let mount = |text: &String| {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, to) = match parts[..] {
            [host, to] | [host, to, "ro" | "rw"] => (place(host), place(to)),
            _ => return false,
        };
        let (Some(host), Some(to)) = (host, to) else { return false };
        to != "/"
            && !below(&to, &["/proc", "/sys", "/dev", "/windlass", "/windlass-helper"])
            && listed(|one| &one.mounts, &host)
    };
    let device = |text: &String| {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, to, rights) = match parts[..] {
            [host] => (host, host, "r"),
            [host, to] => (host, to, "r"),
            [host, to, rights] => (host, to, rights),
            _ => return false,
        };
        let (Some(host), Some(to)) = (place(host), place(to)) else { return false };
        let rights = !rights.is_empty() && rights.replace(['r', 'w', 'm'], "").is_empty();
        rights && below(&to, &["/dev"]) && listed(|one| &one.devices, &host)
    };
    let named = |name: &String| {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("CAP_") { upper.replacen("CAP_", "", 1) } else { upper }
    };
    let capability =
        |name: &String| all.iter().flat_map(|one| &one.capabilities).any(|one| named(one) == named(name));
    let option = |option: &String| all.iter().any(|one| one.security_options.contains(option));
    let locked = image.split_once('@').is_some_and(|(_, digest)| [IMAGE, OTHER].contains(&digest));
    (policy.trust == Trust::Trusted || spec.no_new_privileges && locked)
        && (!asked.privileged || all.iter().any(|one| one.privileged))
        && (!asked.host_network || spec.lane.is_none() && all.iter().any(|one| one.host_network))
        && asked.host_mounts.iter().all(mount)
        && asked.devices.iter().all(device)
        && asked.capabilities.iter().all(capability)
        && asked.security_options.iter().all(option)
        && spec
            .workdir
            .as_ref()
            .is_none_or(|dir| place(dir).is_some_and(|dir| !below(&dir, &["/proc", "/dev"])))
        && spec.resources.pids.is_some_and(|pids| pids > 0)
}

#[test]
fn no_spec_passes_but_what_the_settings_allow() {
    let mut dice = Dice(1);
    let mut passed = 0;
    for number in 0..CASES {
        let (policy, spec) = dice.case();
        let result = policy.check(&spec);
        assert_eq!(
            result.is_ok(),
            oracle(&policy, &spec),
            "case {number}: {result:?} of {spec:?} by {policy:?}"
        );
        passed += u64::from(result.is_ok() && spec.privileges != Privileges::default());
    }
    assert!(passed > CASES / 200, "{passed} specs with privileges passed, which says little");
    println!("{CASES} specs, {passed} with privileges that are allowed");
}

/// The policy with a mistake in it.
type Defect = fn(Policy, ContainerSpec) -> bool;

/// Mistakes that are easily made, each in place of the policy.
const DEFECTS: [(&str, Defect); 11] = [
    ("trusts everybody", |policy, spec| Policy { trust: Trust::Trusted, ..policy }.check(&spec).is_ok()),
    ("lets programs of others gain privileges", |policy, mut spec| {
        spec.no_new_privileges = true;
        policy.check(&spec).is_ok()
    }),
    ("takes any image of others", |policy, mut spec| {
        if policy.trust == Trust::Untrusted {
            spec.image = format!("tool@{IMAGE}").as_str().into();
        }
        policy.check(&spec).is_ok()
    }),
    ("takes an allowance for any image", |mut policy, spec| {
        let digest = reference(&spec.image).and_then(digest).unwrap_or_default().to_owned();
        policy.allowances.iter_mut().for_each(|one| one.image.clone_from(&digest));
        policy.check(&spec).is_ok()
    }),
    ("compares paths as they are written", |policy, spec| {
        let written = |text: &String| {
            policy.allowances.iter().any(|one| one.mounts.iter().any(|path| text.starts_with(path.as_str())))
        };
        spec.privileges.host_mounts.iter().all(written) && policy.check(&spec).is_ok()
    }),
    ("takes a directory for all that is in it", |mut policy, spec| {
        let asked: Vec<String> = spec
            .privileges
            .host_mounts
            .iter()
            .filter_map(|text| Some(text.split_once(':')?.0.to_owned()))
            .collect();
        for one in &mut policy.allowances {
            let inside = |path: &&String| {
                one.mounts
                    .iter()
                    .filter_map(|dir| normal(dir))
                    .any(|dir| normal(path).is_some_and(|path| path.starts_with(dir)))
            };
            let more: Vec<String> = asked.iter().filter(inside).cloned().collect();
            one.mounts.extend(more);
        }
        policy.check(&spec).is_ok()
    }),
    ("looks at the first mount alone", |policy, mut spec| {
        spec.privileges.host_mounts.truncate(1);
        policy.check(&spec).is_ok()
    }),
    ("does not look at devices", |policy, mut spec| {
        spec.privileges.devices.clear();
        policy.check(&spec).is_ok()
    }),
    ("distinguishes spellings of a capability", |policy, spec| {
        let written = |name: &String| policy.allowances.iter().any(|one| one.capabilities.contains(name));
        spec.privileges.capabilities.iter().all(written) && policy.check(&spec).is_ok()
    }),
    ("does not look at where a mount goes", |policy, mut spec| {
        for text in &mut spec.privileges.host_mounts {
            *text = format!("{}:/data", text.split(':').next().unwrap_or_default());
        }
        policy.check(&spec).is_ok()
    }),
    ("does not look at the working directory", |policy, mut spec| {
        spec.workdir = None;
        policy.check(&spec).is_ok()
    }),
];

#[test]
fn a_mistake_in_the_policy_would_be_noticed() {
    for (name, defect) in DEFECTS {
        let mut dice = Dice(1);
        let noticed = (0..CASES).any(|_| {
            let (policy, spec) = dice.case();
            defect(policy.clone(), spec.clone()) != oracle(&policy, &spec)
        });
        assert!(noticed, "a policy that {name} is not noticed");
    }
}

#[track_caller]
fn check(privileges: Privileges, refused: Option<&str>) {
    let allowance = Allowance {
        image: IMAGE.to_owned(),
        mounts: vec!["/srv/data".to_owned()],
        capabilities: vec!["NET_ADMIN".to_owned()],
        devices: vec!["/dev/kvm".to_owned()],
        ..Allowance::default()
    };
    let policy = Policy { trust: Trust::Trusted, allowances: vec![allowance] };
    let said = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.to_string());
    let image = |digest: &str| spec(&format!("tool@{digest}"), privileges.clone());
    assert_eq!(said(policy.check(&image(IMAGE))).as_deref(), refused);
    assert!(policy.check(&image(OTHER)).is_err() && policy.check(&spec("tool", privileges.clone())).is_err());
}

#[test]
fn an_allowance_covers_what_it_names_and_nothing_beside_it() {
    let mount = |path: &str| Privileges { host_mounts: vec![path.to_owned()], ..Privileges::default() };
    check(mount("/srv/data:/x"), None);
    check(mount("/srv/./data/:/x:ro"), None);
    for path in ["/srv/data/x:/x", "/srv/data/../../etc:/x", "/srv/database:/x", "/:/x"] {
        let words = format!(
            "step `unit` asks to mount `{path}` of this machine, and no setting allows it to its image"
        );
        check(mount(path), Some(&words));
    }
    for path in ["srv/data:/x", "", "/srv/data", "/srv/data:/x:shared", "/srv/data:/windlass-helper"] {
        let words = format!(
            "step `unit` asks for the mount `{path}`, which is not a path of this machine, a path of its own outside of \
             /proc, /sys, /dev and windlass's, and `ro` or `rw`"
        );
        check(mount(path), Some(&words));
    }
    let capability = |name: &str| Privileges { capabilities: vec![name.to_owned()], ..Privileges::default() };
    check(capability("cap_net_admin"), None);
    check(
        capability("ALL"),
        Some("step `unit` asks for the capability `ALL`, and no setting allows it to its image"),
    );
    let device = |path: &str| Privileges { devices: vec![path.to_owned()], ..Privileges::default() };
    check(device("/dev/kvm:/dev/kvm:rw"), None);
    let words = "step `unit` asks for the device `/dev/kvm/../sda`, and no setting allows it to its image";
    check(device("/dev/kvm/../sda"), Some(words));
}

fn trusted() -> Policy {
    Policy { trust: Trust::Trusted, ..Policy::default() }
}

#[test]
fn workdir_and_process_limit() {
    let with = |change: fn(&mut ContainerSpec)| {
        let mut spec = spec("tool", Privileges::default());
        change(&mut spec);
        trusted().check(&spec).err().map(|refusal| refusal.cause)
    };
    assert_eq!(with(|spec| spec.workdir = None), None);
    let relative = with(|spec| spec.workdir = Some("src".to_owned()));
    assert_eq!(relative, Some(Cause::RelativeWorkdir("src".to_owned())));
    for path in ["/x/..//proc/self/fd/8", "/dev/fd/8", "/proc"] {
        let mut spec = spec("tool", Privileges::default());
        spec.workdir = Some(path.to_owned());
        let refusal = trusted().check(&spec).expect_err("it is refused");
        assert_eq!(refusal.cause, Cause::WorkdirInProc(path.to_owned()));
    }
    assert_eq!(with(|spec| spec.resources.pids = None), Some(Cause::NoProcessLimit));
    assert_eq!(with(|spec| spec.resources.pids = Some(0)), Some(Cause::NoProcessLimit));
}

#[tokio::test(start_paused = true)]
async fn no_spec_outside_of_the_policy_reaches_a_backend() {
    let home = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(home.path()).unwrap().begin(&RunId::new("run")).unwrap());
    let mut dice = Dice(2);
    let mut reached = 0;
    for attempt in 1..=1000 {
        let (policy, mut spec) = dice.case();
        spec.attempt = attempt;
        let allowed = oracle(&policy, &spec);
        let (run, lanes) = (RunId::new("run"), BTreeMap::new());
        let run = RunSpec {
            run,
            workspace: None,
            workspace_once: false,
            workspace_gid: 0,
            lanes,
            policy: Arc::new(policy),
            images: BTreeMap::new(),
        };
        let fake = Fake::new();
        let session = fake.open(run, Arc::clone(&ledger)).await.unwrap();
        let started = session.start(spec.clone()).await;
        assert_eq!(started.is_ok(), allowed, "{spec:?}");
        assert_eq!(fake.specs().len(), usize::from(allowed), "{spec:?}");
        reached += u32::from(allowed);
        drop(started);
        session.close().await;
    }
    assert!((30..900).contains(&reached), "{reached} of 1000");
}

#[test]
fn only_a_trusted_source_gets_secrets() {
    let mut asked = spec(IMAGE, Privileges::default());
    let place = SecretPlace::Variable("TOKEN".to_owned());
    asked.secrets =
        vec![GivenSecret { value: Secret::new("hunter2-hunter2").expect("it is long enough"), place }];
    let of = |trust| Policy { trust, ..Policy::default() }.check(&asked);
    assert_eq!(of(Trust::Trusted), Ok(()));
    let refusal = of(Trust::Untrusted).expect_err("the boundary for secrets");
    assert_eq!(refusal.to_string(), "step `unit` takes a secret, and its source is not trusted with one");
}

/// Changes what a spec asks for.
type Ask = fn(&mut ContainerSpec);

#[test]
fn what_is_allowed_to_a_trusted_source_is_not_to_another() {
    let word = |text: &str| vec![text.to_owned()];
    let allowance = Allowance {
        image: IMAGE.to_owned(),
        privileged: true,
        host_network: true,
        mounts: word("/srv/data"),
        capabilities: word("NET_ADMIN"),
        devices: word("/dev/kvm"),
        security_options: word("seccomp=unconfined"),
    };
    let rows: [(&str, Ask); 10] = [
        ("a secret", |spec| {
            let value = Secret::new("hunter2-hunter2").expect("it is long enough");
            spec.secrets = vec![GivenSecret { value, place: SecretPlace::Variable("TOKEN".to_owned()) }];
        }),
        ("new privileges", |spec| spec.no_new_privileges = false),
        ("a tag", |spec| spec.image = "tool:1".into()),
        ("half a digest", |spec| spec.image = "tool@sha256:aaaa".into()),
        ("privileged mode", |spec| spec.privileges.privileged = true),
        ("the machine's network", |spec| spec.privileges.host_network = true),
        ("a mount", |spec| spec.privileges.host_mounts = vec!["/srv/data:/data".to_owned()]),
        ("a capability", |spec| spec.privileges.capabilities = vec!["NET_ADMIN".to_owned()]),
        ("a device", |spec| spec.privileges.devices = vec!["/dev/kvm".to_owned()]),
        ("a security option", |spec| {
            spec.privileges.security_options = vec!["seccomp=unconfined".to_owned()];
        }),
    ];
    let plain = || spec(&format!("tool@{IMAGE}"), Privileges::default());
    for trust in [Trust::Trusted, Trust::Untrusted] {
        let policy = Policy { trust, allowances: vec![allowance.clone()] };
        assert_eq!(policy.check(&plain()), Ok(()), "an ordinary container, {trust:?}");
        for (name, ask) in rows {
            let mut spec = plain();
            ask(&mut spec);
            assert_eq!(policy.check(&spec).is_ok(), trust == Trust::Trusted, "{name}, {trust:?}");
        }
    }
}
