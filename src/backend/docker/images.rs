//! The images of one run, each looked up once: by its name, or by what its file holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use tokio::sync::OnceCell;

use super::image::{self, ImageFacts};
use super::load;
use crate::backend::{ContainerImage, LocalImages, PullProgress, StartError};
use crate::base::Reason;

/// An image that is there, once it is; whoever asks after a failure tries again.
type Looked = OnceCell<Arc<ImageFacts>>;

/// The images of one run.
pub(super) struct Images {
    docker: Docker,
    looked: Mutex<HashMap<ContainerImage, Arc<Looked>>>,
    local: LocalImages,
}

impl Images {
    pub(super) fn new(docker: Docker, local: LocalImages) -> Self {
        Self { docker, looked: Mutex::default(), local }
    }

    /// What is known of an image, which is fetched when it is missing.
    pub(super) async fn facts(
        &self,
        image: &ContainerImage,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Arc<ImageFacts>, StartError> {
        let cell = {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.entry(image.clone()).or_default().clone()
        };
        cell.get_or_try_init(|| async { self.ensure(image, progress).await.map(Arc::new) }).await.cloned()
    }

    async fn ensure(
        &self,
        image: &ContainerImage,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<ImageFacts, StartError> {
        let file = match image {
            ContainerImage::Reference(reference) => {
                return image::ensure(&self.docker, reference, progress).await;
            }
            ContainerImage::File(file) => file,
        };
        let unopened = || StartError {
            reason: Reason::ImageNotFound,
            message: format!("the image `{file}` is none of this run"),
        };
        let local = self.local.get(file).ok_or_else(unopened)?.as_ref().map_err(Clone::clone)?;
        load::ensure(&self.docker, &file.to_string(), local, progress).await
    }

    /// Looks an image up again the next time, unless somebody has done so meanwhile.
    pub(super) fn forget(&self, image: &ContainerImage, facts: &Arc<ImageFacts>) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_that = |cell: &Arc<Looked>| cell.get().is_some_and(|found| Arc::ptr_eq(found, facts));
        if looked.get(image).is_some_and(is_that) {
            looked.remove(image);
        }
    }
}
