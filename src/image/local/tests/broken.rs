//! What cannot be used, and what is said of it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::json;

use super::{LAYERS, Parts, Place, blob, content, here, layout, saved};
use crate::base::Reason;
use crate::image::local::files::digest_of;

#[test]
fn what_is_no_image_says_what_it_is() {
    let check = |place: &Place, words: &str| assert_eq!(place.refused(), words);
    check(&Place::new(), "nothing is there; what git ignores is no part of the source");
    check(
        &Place::with_file(b"version: 1\n"),
        "it is no archive of an image: the archive is cut off at entry 1",
    );
    check(
        &Place::with_file(b"\x1f\x8b\x08\x00"),
        "it is compressed with gzip; store it decompressed, as `gunzip` leaves it",
    );
    let mut other = Parts::default();
    other.put("file", "text");
    check(
        &Place::with_file(&other.archive(&[])),
        "it is neither an OCI layout nor what `docker save` writes: it has no `index.json` and no `manifest.json`",
    );
    check(&Place::with_layout(&other), "the directory is no OCI layout: it has no `index.json`");
    let mut empty = layout();
    empty.index(&[]);
    check(&Place::with_layout(&empty), "it holds no image");
}

#[test]
fn several_images_want_a_name_that_one_has() {
    let mut parts = Parts::default();
    let name = |name: &str| json!({ "org.opencontainers.image.ref.name": name });
    let images = [parts.image("386", name("old")), parts.image(here(), name("new"))];
    parts.index(&images);
    let place = Place::with_layout(&parts);
    assert_eq!(
        place.refused(),
        "it has several images; put `#NAME` after the path, NAME being one of `new`, `old`"
    );
    let error = place.open(Some("newer")).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "cannot use the image `./image#newer`: it has no image `newer`, only `new`, `old`"
    );
    assert_eq!(error.reason(), Reason::ImageNotFound);
}

#[test]
fn an_image_for_another_processor_says_so() {
    let mut parts = Parts::default();
    let image = parts.image("nowhere", json!({}));
    parts.index(&[image]);
    let error = Place::with_layout(&parts).open(None).expect_err("it is for another machine");
    assert_eq!(error.reason(), Reason::ImageWrongPlatform);
    assert!(error.to_string().contains("it is for linux/nowhere, this machine is "), "{error}");
}

#[test]
fn what_is_damaged_is_seen_before_it_is_used() {
    let layer = blob(&digest_of(LAYERS[0]));
    let mut short = layout();
    short.put(&layer, &LAYERS[0][..5]);
    assert_eq!(Place::with_layout(&short).refused(), format!("`{layer}` has 5 bytes and should have 16"));
    let mut none = layout();
    none.0.remove(&layer);
    assert_eq!(Place::with_layout(&none).refused(), format!("`{layer}` is not in it"));

    // Bytes that were changed show when they are read.
    let mut changed = layout();
    changed.put(&layer, b"the lowest lawyer".as_slice()[..16].to_vec());
    let place = Place::with_layout(&changed);
    let image = place.open(None).expect("the layer is not read yet");
    let error = content(&image, &image.layers()[0]).expect_err("it is not the layer");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let digest = digest_of(LAYERS[0]);
    assert_eq!(error.to_string(), format!("`{layer}` is damaged: its content is not that of {digest}"));
    assert!(content(&image, &image.layers()[1]).is_ok());

    // So does what a step changes after the image was opened.
    let place = Place::with_layout(&layout());
    let image = place.open(None).expect("it is an image");
    fs::write(place.path().join(&layer), b"the lowest sayer").expect("there is room");
    assert!(content(&image, &image.layers()[0]).is_err());
    fs::remove_file(place.path().join(&layer)).expect("it was there");
    assert!(content(&image, &image.layers()[0]).is_err());

    for part in ["manifest", "configuration"] {
        let mut parts = layout();
        let names = parts.0.iter().find(|(path, text)| {
            path.starts_with("blobs")
                && text.starts_with(b"{")
                && text.starts_with(b"{\"config\"") == (part == "manifest")
        });
        let name = names.expect("it is there").0.clone();
        parts.put(&name, "{}");
        let said = Place::with_layout(&parts).refused();
        assert!(said.starts_with(&format!("`{name}` is damaged: ")), "{part}: {said}");
    }
}

#[test]
fn an_archive_that_is_cut_off_says_so() {
    let whole = saved(json!(["a:1"])).archive(&[]);
    let said = Place::with_file(&whole[..whole.len() - 2000]).refused();
    assert!(said.contains("the archive is cut off at"), "{said}");
    let mut named = saved(json!(["a:1"]));
    let name = named.0.keys().find(|name| name.len() > 64).expect("the configuration is there").clone();
    named.put(&name, "{}");
    assert!(Place::with_file(&named.archive(&[])).refused().contains("is damaged"), "by its name");
}

#[test]
fn no_path_leads_out() {
    // Of the source.
    let place = Place::new();
    let other = Place::with_layout(&layout());
    symlink(other.path(), place.path()).expect("there is room");
    assert_eq!(place.refused(), "`image` is a symbolic link or lies behind one, and links are not followed");

    // Of the layout.
    let place = Place::with_layout(&layout());
    let layer = place.path().join(blob(&digest_of(LAYERS[0])));
    fs::rename(&layer, place.0.path().join("layer")).expect("it is the same disk");
    symlink(place.0.path().join("layer"), &layer).expect("there is room");
    assert!(place.refused().contains("is a symbolic link"), "{}", place.refused());

    // Of the archive.
    let with = |layer: &str| {
        let mut parts = saved(json!(null));
        let list = String::from_utf8(parts.0["manifest.json"].clone()).expect("it is text");
        parts.put("manifest.json", list.replace("a/layer.tar", layer));
        Place::with_file(&parts.archive(&[])).refused()
    };
    assert_eq!(with("/etc/passwd"), "`manifest.json` names an absolute path");
    assert_eq!(with("../a/layer.tar"), "`../a/layer.tar` is not in it");
    let out = Place::with_file(&saved(json!(null)).archive(&[("c", "../../etc/passwd")]));
    assert!(out.refused().contains("is a link that leads out"), "{}", out.refused());

    // By a digest.
    let mut parts = layout();
    let index = String::from_utf8(parts.0["index.json"].clone()).expect("it is text");
    let digest = index.split('"').find(|text| text.starts_with("sha256:")).expect("it names one").to_owned();
    parts.put("index.json", index.replace(&digest, "sha256:../../../../etc/passwd"));
    assert_eq!(Place::with_layout(&parts).refused(), "`index.json` names something by no digest of SHA-256");
}

#[test]
fn what_is_read_into_memory_has_a_limit() {
    let mut parts = layout();
    parts.put("index.json", vec![b' '; (8 << 20) + 1]);
    let words = "`index.json` has more than 8388608 bytes";
    assert_eq!(Place::with_layout(&parts).refused(), words);
    assert_eq!(Place::with_file(&parts.archive(&[])).refused(), words);
}

#[test]
fn more_layers_than_anybody_can_use_are_not_read() {
    let mut parts = saved(json!(["local/app:1"]));
    let layer = "a/layer.tar";
    let ids = vec![digest_of(LAYERS[0]); 513];
    let config =
        json!({ "os": "linux", "architecture": here(), "rootfs": { "type": "layers", "diff_ids": ids } });
    parts.put("config", config.to_string());
    let list = json!([{ "Config": "config", "RepoTags": ["local/app:1"], "Layers": vec![layer; 513] }]);
    parts.put("manifest.json", list.to_string());
    let said = Place::with_file(&parts.archive(&[])).refused();
    assert!(said.contains("has more layers than any engine can use"), "{said}");
}

#[test]
fn indexes_without_an_end_are_refused() {
    let mut parts = Parts::default();
    let mut inner = parts.image(here(), json!({}));
    for _ in 0..6 {
        inner = parts.blob(json!({ "schemaVersion": 2, "manifests": [inner] }).to_string().as_bytes());
    }
    parts.index(&[inner]);
    let said = Place::with_layout(&parts).refused();
    assert!(said.ends_with("deeper than anybody needs"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An archive with some bytes changed is read or refused, and never half: what is read has its digest.
    #[test]
    fn what_is_read_of_a_changed_archive_has_its_digest(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        of_layout in any::<bool>(),
    ) {
        let parts = if of_layout { layout() } else { saved(json!(["a:1"])) };
        let mut bytes = parts.archive(&[]);
        // Not the zeros that fill the blocks up.
        let places: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        for (at, byte) in changes {
            bytes[*at.get(&places)] = byte;
        }
        if let Ok(image) = Place::with_file(&bytes).open(None) {
            prop_assert_eq!(digest_of(image.config()), image.id());
            for layer in image.layers() {
                if let Ok(content) = content(&image, layer) {
                    prop_assert_eq!(digest_of(&content), layer.digest());
                }
            }
        }
    }
}
