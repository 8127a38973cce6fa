use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::read::place;
use super::*;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn every_setting_is_read() {
    let text = format!(
        "# ours\n[[allow]]\nsource = '/srv/shop'\nimage = '{DIGEST}'\nprivileged = true\nhost_network = true\n\
         mounts = ['/srv/cache', '/']\ncapabilities = ['NET_ADMIN', 'CAP_SYS_ADMIN']\ndevices = ['/dev/kvm']\n\
         security_options = ['seccomp=unconfined']\n[[allow]]\nsource = 'git@host:team/a.git'\nimage = '{DIGEST}'\n"
    );
    let settings = Settings::parse("config.toml", &text).unwrap();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let first = Allow {
        source: "/srv/shop".to_owned(),
        image: DIGEST.to_owned(),
        privileged: true,
        host_network: true,
        mounts: words(&["/srv/cache", "/"]),
        capabilities: words(&["NET_ADMIN", "CAP_SYS_ADMIN"]),
        devices: words(&["/dev/kvm"]),
        security_options: words(&["seccomp=unconfined"]),
    };
    let second =
        Allow { source: "git@host:team/a.git".to_owned(), image: DIGEST.to_owned(), ..Allow::default() };
    assert_eq!(settings, Settings { allow: vec![first, second], secrets: vec![], ..Settings::default() });
    assert_eq!(Settings::parse("config.toml", "").unwrap(), Settings::default());
}

#[test]
fn a_command_gives_a_secret_to_one_repository() {
    let text =
        "[[secret]]\nsource = '/srv/shop'\nname = 'DEPLOY_TOKEN'\ncommand = ['pass', 'show', 'deploy']\n";
    let secrets = Settings::parse("config.toml", text).unwrap().secrets;
    let command = ["pass", "show", "deploy"].map(str::to_owned).to_vec();
    let (source, name) = ("/srv/shop".to_owned(), "DEPLOY_TOKEN".to_owned());
    assert_eq!(secrets, [SecretCommand { source, name, command }]);

    check("[[secret]]\nsource = '/a'\nname = 'A'\ncommand = []\n", 4, "is not a program");
    check("[[secret]]\nsource = '/a'\nname = 'A'\ncommand = ['./get']\n", 4, "`./get` is not a program");
    check("[[secret]]\nsource = '/a'\nname = 'A'\ncommand = 'pass show'\n", 4, "expected a sequence");
    check(
        "[[secret]]\nsource = '/a'\nname = 'a-b'\ncommand = ['pass']\n",
        3,
        "`a-b` is not the name of a secret",
    );
    check("[[secret]]\nsource = 'a'\nname = 'A'\ncommand = ['pass']\n", 2, "is neither the path");
    check("[[secret]]\nname = 'A'\ncommand = ['pass']\n", 1, "missing field `source`");
}

#[track_caller]
fn check(text: &str, line: usize, message: &str) {
    let text = text.replace("DIGEST", DIGEST);
    let Err(SettingsError::Invalid { text, diagnostic }) = Settings::parse("config.toml", &text) else {
        panic!("{text} is valid")
    };
    assert!(diagnostic.message.contains(message), "{}", diagnostic.message);
    assert_eq!(text.position(diagnostic.span.unwrap().start).0, line, "{}", diagnostic.message);
}

#[test]
fn one_mistake_is_reported_with_its_line() {
    check("[[allow]]\nsource = '/a'\nimage = 'DIGEST'\nprivilege = true\n", 4, "unknown field `privilege`");
    check("\nalow = []\n", 2, "unknown field `alow`");
    check("[[allow]]\nsource = '/a'\nimage = 'DIGEST'\nprivileged = 'yes'\n", 4, "expected a boolean");
    check("[[allow]]\nsource = '/a'\n", 1, "missing field `image`");
    check("[allow]\nsource = '/a'\n", 1, "expected a sequence");
    check("a = \n", 1, "");
    check("a = 1\na = 2\n", 2, "duplicate key");
    check("[[allow]]\nsource = '/a'\nimage = 'rust:1'\n", 3, "`rust:1` is not the digest of an image");
    for source in ["a", "./a", "/a/", "/a/../b", "//a", "-x:y", "https://me:secret-word@host/a"] {
        check(&format!("[[allow]]\nsource = '{source}'\nimage = 'DIGEST'\n"), 2, "is neither the path");
    }
    for mount in ["a", "/a/..", "/a:/b", ""] {
        check(
            &format!("[[allow]]\nsource = '/a'\nimage = 'DIGEST'\nmounts = ['{mount}']\n"),
            4,
            "is not a path",
        );
    }
    check("[[allow]]\nsource = '/a'\nimage = 'DIGEST'\ndevices = ['/srv/x']\n", 4, "is not a device");
    check(
        "[[allow]]\nsource = '/a'\nimage = 'DIGEST'\ncapabilities = [\n 'A',\n 'net admin']\n",
        6,
        "is not a capability",
    );
}

#[test]
fn the_file_is_where_xdg_says() {
    let with = |set: &'static [(&str, &str)]| {
        place(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    };
    assert_eq!(
        with(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]).as_deref(),
        Some(Path::new("/x/windlass/config.toml"))
    );
    assert_eq!(with(&[("HOME", "/h")]).as_deref(), Some(Path::new("/h/.config/windlass/config.toml")));
    assert_eq!(with(&[("XDG_CONFIG_HOME", "x")]), None);
}

#[test]
fn a_file_that_others_can_write_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert_eq!(Settings::read_file(&path).unwrap(), Settings::default());
    fs::write(&path, "").unwrap();
    for (mode, fine) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read = Settings::read_file(&path);
        assert_eq!(read.is_ok(), fine, "{mode:o}: {read:?}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, [0xff]).unwrap();
    assert!(matches!(Settings::read_file(&path), Err(SettingsError::Unreadable { .. })));
    assert!(matches!(
        Settings::read_file(folder.path()),
        Err(SettingsError::Unreadable { .. } | SettingsError::NotOurs { .. })
    ));
}

#[test]
fn a_cluster_is_used_as_it_is_set() {
    let text = r#"
        [kubernetes]
        server = "http://127.0.0.1:8001"
        namespace = "ci"
        storage_class = ""
        workspace_size = "2Gi"
        node_selector = { "kubernetes.io/arch" = "amd64" }
        tolerations = [{ key = "ci" }]
        restricted = true
        user = 1000
        patience = "90s"
        helper_image = "registry:5000/windlass/helper:1.0"
    "#;
    let set = Settings::parse("config.toml", text).unwrap().kubernetes;
    assert_eq!((set.namespace.as_deref(), set.storage_class.as_deref()), (Some("ci"), Some("")));
    assert_eq!(set.patience, Some(std::time::Duration::from_secs(90)));
    assert_eq!(set.helper_image.as_deref(), Some("registry:5000/windlass/helper:1.0"));
    assert_eq!(set.tolerations[0].key.as_deref(), Some("ci"));
    for (line, word) in [
        ("namespace = \"C I\"", "is not a name"),
        ("server = \"127.0.0.1:8001\"", "is not the address"),
        ("workspace_size = \"big\"", "is not a size"),
        ("helper_image = \"https://registry/helper\"", "is not the name of an image"),
        ("patience = \"5\"", "is not a time"),
        ("patience = \"0s\"", "is not a time"),
        ("nodes = 1", "unknown field"),
    ] {
        let error = Settings::parse("config.toml", &format!("[kubernetes]\n{line}")).unwrap_err();
        let SettingsError::Invalid { diagnostic, .. } = error else { panic!("{line}") };
        assert!(diagnostic.message.contains(word), "{line}: {}", diagnostic.message);
    }
}
