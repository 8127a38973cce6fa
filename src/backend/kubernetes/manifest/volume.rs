//! The volume that the workspace is in, and what of it a pod sees: never its root, but who puts something beside the workspace.

use serde_json::{Value, json};

use super::WORKSPACE;

/// Where the whole volume is, in pods of our own that run nothing but the helper.
const WHOLE: &str = "/windlass-volume";
/// The directory of the volume that is the workspace. The root is the file system's, which may keep something there.
const DIRECTORY: &str = "workspace";
/// The directory with a directory for each container that sees files of its own in the place of the workspace's.
const LAYERS: &str = "layers";

/// The volume that the workspace is in, as one pod sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Volume {
    source: Source,
    /// The node that it is bound to.
    pub(super) node: Option<String>,
    parts: Vec<Part>,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The run's, by the name of a claim.
    Claim(String),
    /// One pod's, up to a size.
    Pod(String),
}

/// A part of the volume in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    at: String,
    /// From the volume's root; all of it when absent.
    path: Option<String>,
    read_only: bool,
}

impl Volume {
    /// The workspace in the volume of this claim, which is there once it was [filled](Self::whole).
    pub(in super::super) fn of(claim: String) -> Self {
        Self::with(Source::Claim(claim))
    }

    /// The same in a volume of no more than this size that is one pod's, and goes with it.
    pub(in super::super) fn of_pod(size: String) -> Self {
        Self::with(Source::Pod(size))
    }

    fn with(source: Source) -> Self {
        let part = Part { at: WORKSPACE.to_owned(), path: Some(DIRECTORY.to_owned()), read_only: false };
        Self { source, node: None, parts: vec![part] }
    }

    /// Whether it is one pod's, which therefore has to fill it.
    pub(in super::super) fn is_of_pod(&self) -> bool {
        matches!(self.source, Source::Pod(_))
    }

    /// The same, bound to a node.
    pub(in super::super) fn on(self, node: Option<String>) -> Self {
        Self { node, ..self }
    }

    /// All of it, for the helper that makes the workspace, whose path in that pod comes with it.
    pub(in super::super) fn whole(&self) -> (Self, String) {
        let part = Part { at: WHOLE.to_owned(), path: None, read_only: false };
        (Self { parts: vec![part], ..self.clone() }, format!("{WHOLE}/{DIRECTORY}"))
    }

    /// The same, only to be read.
    pub(in super::super) fn to_be_read(&self) -> Self {
        let parts = self.parts.iter().map(|part| Part { read_only: true, ..part.clone() });
        Self { parts: parts.collect(), ..self.clone() }
    }

    /// The workspace, only to be read, and all of it beside it, for the helper that makes the files of the layer with this
    /// name; the directory for them in that pod comes with it.
    pub(in super::super) fn under_layer(&self, name: &str) -> (Self, String) {
        let parts = self.to_be_read().parts.into_iter().chain(self.whole().0.parts).collect();
        (Self { parts, ..self.clone() }, format!("{WHOLE}/{LAYERS}/{name}"))
    }

    /// With the files of a layer over those of the workspace, by their paths there. Nothing else of a layer is seen.
    pub(in super::super) fn with_layer(&self, name: &str, files: &[String]) -> Self {
        let layer = files.iter().enumerate().map(|(number, path)| Part {
            at: format!("{WORKSPACE}/{path}"),
            path: Some(format!("{LAYERS}/{name}/{number}")),
            read_only: false,
        });
        Self { parts: self.parts.iter().cloned().chain(layer).collect(), ..self.clone() }
    }

    /// As a pod has it, under this name.
    pub(super) fn source(&self, name: &str) -> Value {
        match &self.source {
            Source::Claim(claim) => json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}),
            Source::Pod(size) => json!({"name": name, "emptyDir": {"sizeLimit": size}}),
        }
    }

    /// What a container mounts of the volume with this name.
    pub(super) fn mounts(&self, name: &str) -> impl Iterator<Item = Value> {
        self.parts.iter().map(move |Part { at, path, read_only }| {
            let mut mount = json!({"name": name, "mountPath": at});
            super::put(&mut mount, "subPath", path.as_ref());
            super::put(&mut mount, "readOnly", read_only.then_some(true));
            mount
        })
    }
}
