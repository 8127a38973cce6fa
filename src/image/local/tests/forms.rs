//! Every form that an image in files has.

use std::fs;

use serde_json::json;

use super::{LAYERS, Parts, Place, blob, check, config, here, layout, saved};
use crate::base::Tree;
use crate::image::local::files::digest_of;
use crate::image::local::{Compression, Layer, LocalImage};
use crate::plan::ImageFile;

#[test]
fn a_layout_and_the_same_in_an_archive() {
    for place in [Place::with_layout(&layout()), Place::with_file(&layout().archive(&[]))] {
        check(&place.open(None).expect("it is an image"));
        check(&place.open(Some("v1")).expect("it is an image"));
    }
}

#[test]
fn what_docker_save_writes_in_all_its_forms() {
    let tags = || json!(["tool:1", "tool:latest"]);
    for name in [None, Some("tool:1"), Some("tool"), Some("docker.io/library/tool")] {
        let place = Place::with_file(&saved(tags()).archive(&[]));
        let image = place.open(name).expect("it is an image");
        check(&image);
        let kinds: Vec<_> = image.layers().iter().map(Layer::compression).collect();
        assert_eq!(kinds, [Compression::None, Compression::Gzip]);
    }
    check(&Place::with_file(&saved(json!(null)).archive(&[])).open(None).expect("it needs no tag"));

    // A layer that is there twice is a link.
    let mut twice = saved(tags());
    let (at, layer) = twice.0.remove_entry("b/layer.tar").expect("it was there");
    twice.put("c/layer.tar", layer);
    check(&Place::with_file(&twice.archive(&[(&at, "../c/layer.tar")])).open(None).expect("it is an image"));

    // Newer engines keep everything as blobs, with an index and without.
    let mut newer = layout();
    let layers = LAYERS.map(|layer| blob(&digest_of(layer)));
    let config = blob(&digest_of(&config(here())));
    let list = json!([{ "Config": config, "RepoTags": ["tool:1"], "Layers": layers }]);
    newer.put("manifest.json", list.to_string());
    check(&Place::with_file(&newer.archive(&[])).open(None).expect("it is an image"));
    newer.0.remove("index.json");
    check(&Place::with_file(&newer.archive(&[])).open(Some("tool:1")).expect("it is an image"));
}

#[test]
fn the_image_of_this_machine_is_taken_of_several_platforms() {
    let mut parts = Parts::default();
    let about = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let all =
        [parts.image("nowhere", json!({})), parts.image(here(), json!({})), parts.image("unknown", about)];
    let mut inner = parts.blob(json!({ "schemaVersion": 2, "manifests": all }).to_string().as_bytes());
    inner["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/tool:1" });
    parts.index(&[inner]);
    check(&Place::with_layout(&parts).open(Some("tool:1")).expect("one is for this machine"));
}

#[test]
fn two_names_of_one_image_are_one_image() {
    let mut parts = Parts::default();
    let name = |name: &str| json!({ "io.containerd.image.name": name });
    let images = [parts.image(here(), name("tool:1")), parts.image(here(), name("tool:2"))];
    parts.index(&images);
    let place = Place::with_layout(&parts);
    for name in [None, Some("tool:1"), Some("tool:2")] {
        check(&place.open(name).expect("it is an image"));
    }
}

#[test]
fn layers_of_a_capture_lie_over_each_other() {
    let place = Place::with_layout(&layout());
    let (top, lower) = (place.0.path().join("top"), place.0.path().to_owned());
    let moved = blob(&digest_of(LAYERS[1]));
    fs::create_dir_all(top.join("image/blobs/sha256")).expect("there is room");
    fs::rename(place.path().join(&moved), top.join("image").join(&moved)).expect("it is the same disk");
    let nowhere = || place.0.path().join("none");
    let tree = Tree::Layers { lowers: vec![top, lower], upper: nowhere(), work: nowhere() };
    let image = ImageFile { path: "image".to_owned(), name: None };
    check(&LocalImage::open(&tree, &image).expect("it is an image"));
}

#[test]
fn an_image_keeps_its_digests_whatever_it_was_read_from() {
    let same = |parts: &Parts| {
        let place = Place::with_file(&parts.archive(&[]));
        place.open(None).expect("it is an image").manifest_digest()
    };
    assert_eq!(same(&saved(json!(["a:1"]))), same(&saved(json!(["b:2"]))));
}
