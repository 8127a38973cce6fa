//! Replays the corpus of every fuzz target, with everything that fuzzing ever found in it: no file
//! makes its target panic. What a fuzzer does beyond that is `fuzz/run`'s.

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn no_file_of_the_corpus_breaks_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::ALL {
        let mut count = 0;
        for file in corpus.join(name).read_dir().expect("every target has a corpus") {
            let path = file.expect("the corpus can be listed").path();
            // Shown when the target panics.
            eprintln!("{}", path.display());
            target(&fs::read(&path).expect("the corpus can be read"));
            count += 1;
        }
        assert!(count > 0, "{name} has a corpus");
    }
}

#[test]
fn every_corpus_is_that_of_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for folder in corpus.read_dir().expect("there is a corpus") {
        let name = folder.expect("the corpus can be listed").file_name();
        assert!(targets::ALL.iter().any(|(known, _)| name == *known), "{}", name.display());
    }
}
