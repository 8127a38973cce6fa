//! Images that lie in files: opened before the first step, so that no step can put another one in their place.

use std::path::Path;
use std::sync::Arc;

use tokio::task;

use super::error::RunError;
use crate::backend::LocalImages;
use crate::base::Tree;
use crate::image::Reference;
use crate::image::local::LocalImage;
use crate::plan::{Condition, Image, ImageFile, Plan};

/// Reads the image of `run --image`: a path of this machine begins with `./`, `../` or `/`, from the current
/// directory.
///
/// # Errors
/// What is wrong with it.
pub(super) fn by_hand(image: &str) -> Result<Image, &'static str> {
    if image == "host" {
        return Ok(Image::Host);
    }
    if !["./", "../", "/"].iter().any(|begin| image.starts_with(begin)) {
        return Reference::parse(image).map(|_| Image::Reference(image.into()));
    }
    let (path, name) = match image.split_once('#') {
        Some((_, "")) => return Err("`#` is followed by no name"),
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (image, None),
    };
    let path = Path::new(path)
        .canonicalize()
        .map_err(|_| "there is nothing at this path, or it may not be looked at")?;
    let path = path.to_str().ok_or("its path is not UTF-8 text")?.to_owned();
    Ok(Image::File(ImageFile { path, name }))
}

/// Opens the images of a plan that lie in files, in the tree of its source as that was captured. One that cannot be
/// used fails the steps that need it, and no others.
///
/// # Errors
/// When this program breaks down over it.
pub(super) async fn open(plan: &Plan, tree: Option<&Tree>) -> Result<LocalImages, RunError> {
    let may_run = plan.all_steps().map(|(_, step)| step);
    let may_run = may_run.filter(|step| !matches!(step.condition, Condition::False(_)));
    let used = may_run.flat_map(|step| {
        [&step.image].into_iter().chain(plan.services_of(step).map(|(_, service)| &service.image))
    });
    let files: Vec<ImageFile> = used
        .filter_map(|image| if let Image::File(file) = image { Some(file.clone()) } else { None })
        .collect();
    if files.is_empty() {
        return Ok(LocalImages::new());
    }
    let tree = tree.cloned();
    let opened = task::spawn_blocking(move || {
        let mut images = LocalImages::new();
        for file in files {
            images.entry(file).or_insert_with_key(|file| {
                let opened = match &tree {
                    Some(tree) => LocalImage::open(tree, file),
                    None => LocalImage::open_here(file),
                };
                Ok(Arc::new(opened?))
            });
        }
        images
    });
    opened.await.map_err(|_| RunError::Panicked { task: "opening the images" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_path_is_one() {
        let place = tempfile::tempdir().expect("there is room");
        let file = place.path().canonicalize().expect("it is there").join("tool.tar");
        std::fs::write(&file, "").expect("there is room");
        let path = file.to_str().expect("it is text").to_owned();
        let image = |name: Option<&str>| {
            Ok(Image::File(ImageFile { path: path.clone(), name: name.map(str::to_owned) }))
        };
        assert_eq!(by_hand(&path), image(None));
        assert_eq!(by_hand(&format!("{path}#tool:1")), image(Some("tool:1")));
        assert_eq!(by_hand("host"), Ok(Image::Host));
        assert_eq!(by_hand("tool.tar"), Ok(Image::Reference("tool.tar".into())));
        for bad in ["./no/such.tar".to_owned(), format!("{path}#"), "Tool".to_owned(), ".".to_owned()] {
            assert!(by_hand(&bad).is_err(), "{bad}");
        }
    }
}
