//! Images that come with the source: loaded once, by what is in them, with no tag made or moved.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bed::{Bed, IMAGE, docker_host};

/// The image of the tests with a layer and a name of a test's own, so that no engine has it.
struct Own {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

impl Own {
    fn new(word: &str) -> Self {
        // With a tag it is this image alone, and no layer is a link to that of another.
        let saved = asked(&["save", &format!("{IMAGE}:latest")]);
        let part = |name: &str| {
            let mut archive = tar::Archive::new(saved.as_slice());
            let entries = archive.entries().unwrap().map(Result::unwrap);
            let mut entry =
                entries.into_iter().find(|entry| entry.path().unwrap() == Path::new(name)).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            content
        };
        let list: Value = serde_json::from_slice(&part("manifest.json")).unwrap();
        let image = list.as_array().unwrap().iter().find(|one| {
            let tags = one["RepoTags"].as_array().unwrap();
            tags.contains(&json!(format!("{IMAGE}:latest")))
        });
        let image = image.unwrap();
        let mut layers: Vec<_> =
            image["Layers"].as_array().unwrap().iter().map(|at| part(at.as_str().unwrap())).collect();
        layers.push(archive(&[("own".to_owned(), word.as_bytes())]));
        let mut config: Value = serde_json::from_slice(&part(image["Config"].as_str().unwrap())).unwrap();
        config["rootfs"]["diff_ids"] = layers.iter().map(|layer| digest(layer)).collect();
        config.as_object_mut().unwrap().remove("history");
        Self { config: config.to_string().into_bytes(), layers }
    }

    fn id(&self) -> String {
        digest(&self.config)
    }

    /// As `docker save` writes it, with the tag of another image.
    fn save(&self, to: &Path) {
        let names: Vec<String> = (0..self.layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        let list =
            json!([{ "Config": "config.json", "RepoTags": [format!("{IMAGE}:latest")], "Layers": names }]);
        let list = list.to_string();
        let mut files =
            vec![("manifest.json".to_owned(), list.as_bytes()), ("config.json".to_owned(), &self.config)];
        files.extend(names.into_iter().zip(self.layers.iter().map(Vec::as_slice)));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, archive(&files)).unwrap();
    }

    /// As a layout, with compressed layers.
    fn lay_out(&self, to: &Path) {
        let blobs = to.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let blob = |content: &[u8]| {
            fs::write(blobs.join(digest(content).trim_start_matches("sha256:")), content).unwrap();
            json!({ "digest": digest(content), "size": content.len() })
        };
        let layers: Vec<Value> = self.layers.iter().map(|layer| blob(&compressed(layer))).collect();
        let manifest = json!({ "schemaVersion": 2, "config": blob(&self.config), "layers": layers });
        let index = json!({ "schemaVersion": 2, "manifests": [blob(manifest.to_string().as_bytes())] });
        fs::write(to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(to.join("index.json"), index.to_string()).unwrap();
    }

    fn is_loaded(&self) -> bool {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", docker_host()).args(["image", "inspect", &self.id()]);
        command.output().unwrap().status.success()
    }
}

/// Whatever comes of a test.
impl Drop for Own {
    fn drop(&mut self) {
        let mut command = Command::new("docker");
        let _ = command.env("DOCKER_HOST", docker_host()).args(["image", "rm", &self.id()]).output();
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn archive(files: &[(String, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn compressed(layer: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let layer = layer.to_vec();
    let written = std::thread::spawn(move || input.write_all(&layer).unwrap());
    let output = child.wait_with_output().unwrap();
    written.join().unwrap();
    output.stdout
}

fn asked(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("docker").env("DOCKER_HOST", docker_host()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn images_of_the_source_are_loaded_once_and_move_no_tag() {
    let bed = Bed::new(
        "stages:\n\
         \x20 - { name: one, steps: [{ name: archive, image: ./ci/tool.tar, run: cat /own }] }\n\
         \x20 - { name: two, steps: [{ name: layout, image: ./ci/layout, run: cat /own }] }\n",
    );
    // The directory's name is this test's alone.
    let word = |kind: &str| format!("{kind} {}\n", bed.project().display());
    let (saved, laid_out) = (Own::new(&word("archive")), Own::new(&word("layout")));
    saved.save(&bed.project().join("ci/tool.tar"));
    laid_out.lay_out(&bed.project().join("ci/layout"));
    let tagged = || asked(&["image", "inspect", "--format", "{{.Id}} {{.RepoTags}}", IMAGE]);
    let before = tagged();

    let ran = bed.windlass(&["run"]);
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    for kind in ["archive", "layout"] {
        assert!(ran.stdout.contains(word(kind).trim()), "{}", ran.stdout);
    }
    for image in ["./ci/tool.tar", "./ci/layout"] {
        assert!(ran.stderr.contains(&format!("loaded {image}")), "{}", ran.stderr);
    }
    let again = bed.windlass(&["run"]);
    assert!(again.status.success() && !again.stderr.contains("load"), "{}", again.stderr);
    let alone = bed.windlass(&["run", "--image", "./ci/tool.tar", "--", "cat", "/own"]);
    assert_eq!((alone.stdout, alone.stderr), (word("archive"), String::new()));
    assert!(saved.is_loaded() && laid_out.is_loaded());
    assert_eq!(tagged(), before, "a tag was moved");
    bed.assert_clean();
}

#[test]
fn an_image_that_is_damaged_is_not_loaded() {
    let bed = Bed::with_step("run: echo never");
    let own = Own::new(&format!("{}\n", bed.project().display()));
    let layout = bed.project().join("layout");
    own.lay_out(&layout);
    let layer = compressed(own.layers.last().unwrap());
    let at = layout.join("blobs/sha256").join(digest(&layer).trim_start_matches("sha256:"));
    let mut damaged = layer.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&at, damaged).unwrap();
    let ran = bed.windlass(&["run", "--image", "./layout", "--", "echo", "never"]);
    assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    let words = format!("is damaged: its content is not that of {}", digest(&layer));
    assert!(
        ran.stderr.contains("image not found: cannot load") && ran.stderr.contains(&words),
        "{}",
        ran.stderr
    );
    assert!(!own.is_loaded());
    bed.assert_clean();
}
