//! The objects of a run that is none yet: to be shown, or tried on the API server, which then makes nothing.

use std::collections::BTreeMap;

use http::Request;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Error;
use serde::Serialize;
use serde_json::Value;

use super::keeper;
use super::layer::{self, Maker};
use super::manifest::{self, Common, Volume};
use super::{Kubernetes, Options, call, go};
use crate::backend::{BackendError, ContainerSpec, helped};
use crate::base::{InstanceId, RunId};

/// What stands for the ids that only a run has; as long as they are.
const NO_ID: &str = "00000000000000000000000000";
/// How many bytes were left out.
const LEFT_OUT: &str = "dev.windlass/bytes-left-out";

/// An object that a run would make.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it is for, in words.
    pub what: String,
    /// The object, as it is sent.
    pub manifest: Value,
}

/// The id of a run that is none.
pub fn no_run() -> RunId {
    RunId::new(NO_ID)
}

/// Everything that a run of these containers makes, in the order in which it does; the same every time. What only a
/// run knows is zero, and the helper's bytes are left out. `looks` says whether a step waits for a file of the workspace, `once`
/// whether one container is all that sees it.
pub fn manifests(options: &Options, containers: &[ContainerSpec], looks: bool, once: bool) -> Vec<Planned> {
    let common = Common { instance: InstanceId::new(NO_ID), run: no_run(), owner: None, gid: 0 };
    let (common, run) = (&common, &common.run);
    let mut lease = manifest::lease(common);
    if let Some(spec) = &mut lease.spec {
        spec.renew_time = None;
    }
    let mut planned = vec![shown(options, "the run, which owns all that follows", &lease)];
    for part in manifest::helper(common, options) {
        planned.push(shown(options, "the helper, whose bytes are left out here", &without_bytes(part)));
    }
    let mut images: Vec<String> = Vec::new();
    for container in containers {
        let image = container.image.to_string();
        if images.contains(&image) {
            continue;
        }
        let (name, what) = manifest::fetching(run, &image);
        let pod = manifest::task(common, options, &name, &image, &what, None);
        planned.push(shown(options, &format!("fetches the image {image}"), &pod));
        images.push(image);
    }
    let mounting = containers.iter().find(|container| container.workspace);
    let is_of_pod = options.keeps_in_pod(once);
    let volume = mounting.map(|first| {
        if is_of_pod {
            return Volume::of_pod(options.workspace_size.clone());
        }
        let claim = manifest::claim(common, options);
        let volume = Volume::of(claim.metadata.name.clone().unwrap_or_default());
        planned.push(shown(options, "the workspace", &claim));
        let (name, whole, what) = manifest::filling(run, &volume);
        let pod = manifest::task(common, options, &name, &first.image.to_string(), &what, Some(&whole));
        planned.push(shown(options, "fills the workspace", &pod));
        volume
    });
    for container in containers {
        let what = match &container.service {
            Some(service) => format!("the service {service}, first beside the step {}", container.step),
            None => format!("the step {}", container.step),
        };
        if go::is_own(container) {
            if let Some(given) = manifest::given(common, container) {
                let what = format!("the environment of {what}, whose values are left out here");
                planned.push(shown(options, &what, &without_values(given)));
            }
            planned.push(shown(options, &what, &manifest::own(common, options, container)));
            continue;
        }
        // Whether an image's own user is root only a run finds out.
        let names = options.restricted && container.among_services;
        if let Some((substitution, volume)) = container.substitution.as_ref().zip(volume.as_ref()) {
            let Maker { spec, volume, .. } = layer::maker(common, options, container, substitution, volume);
            let pod = manifest::step(common, options, &spec, Some(&volume), false);
            let what = format!("puts values into files for {what}, which then mounts each over its own");
            planned.push(shown(options, &what, &pod));
        }
        let pod = manifest::step(common, options, container, volume.as_ref(), names);
        planned.push(shown(options, &what, &pod));
    }
    if let (Some(first), Some(volume), true) = (mounting, &volume, looks && !is_of_pod) {
        let spec = keeper::for_cluster(options, helped::keeper::container(first.image.clone()));
        let pod = manifest::step(common, options, &spec, Some(&volume.to_be_read()), false);
        planned.push(shown(options, "looks into the workspace, for files that steps wait for", &pod));
    }
    planned
}

fn shown(options: &Options, what: &str, object: &impl Serialize) -> Planned {
    let mut manifest = serde_json::to_value(object).unwrap_or_default();
    if let (Some(namespace), Some(meta)) = (&options.namespace, manifest.get_mut("metadata")) {
        meta["namespace"] = Value::String(namespace.clone());
    }
    Planned { what: what.to_owned(), manifest }
}

fn without_bytes(mut part: ConfigMap) -> ConfigMap {
    let bytes: usize = part.binary_data.take().iter().flatten().map(|(_, data)| data.0.len()).sum();
    part.metadata.annotations = Some(BTreeMap::from([(LEFT_OUT.to_owned(), bytes.to_string())]));
    part
}

fn without_values(mut given: Secret) -> Secret {
    for value in given.data.iter_mut().flat_map(BTreeMap::values_mut) {
        value.0.clear();
    }
    given
}

impl Planned {
    /// Its kind and name, as `kubectl` writes them.
    pub fn name(&self) -> String {
        let kind = self.manifest["kind"].as_str().unwrap_or_default().to_lowercase();
        format!("{kind}/{}", self.manifest["metadata"]["name"].as_str().unwrap_or_default())
    }

    fn path(&self, namespace: &str) -> String {
        let (group, plural) = match self.manifest["kind"].as_str() {
            Some("Lease") => ("apis/coordination.k8s.io/v1", "leases"),
            Some("ConfigMap") => ("api/v1", "configmaps"),
            Some("Secret") => ("api/v1", "secrets"),
            Some("PersistentVolumeClaim") => ("api/v1", "persistentvolumeclaims"),
            _ => ("api/v1", "pods"),
        };
        format!("/{group}/namespaces/{namespace}/{plural}?dryRun=All")
    }
}

impl Kubernetes {
    /// Asks the API server what it says of an object, which it does not make; none when it would take it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn try_out(&self, planned: &Planned) -> Result<Option<String>, BackendError> {
        let (path, body) = (planned.path(&self.namespace), planned.manifest.to_string().into_bytes());
        let tried = call::repeat(|| async {
            let request = Request::post(&path).header("content-type", "application/json").body(body.clone());
            let request = request.map_err(|error| Error::Service(error.into()))?;
            self.client.request::<Value>(request).await.map(drop)
        });
        match tried.await {
            Ok(()) => Ok(None),
            Err(error) if call::answer(&error).is_some() && !call::may_pass(&error) => {
                Ok(Some(call::words(&error)))
            }
            Err(error) => {
                let message =
                    format!("{} does not answer any more: {}", self.description, call::words(&error));
                Err(BackendError::new(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn without_steps_there_is_the_run_and_its_helper() {
        let options = Options { namespace: Some("ci".to_owned()), ..Options::default() };
        let planned = manifests(&options, &[], false, false);
        let names: Vec<_> = planned.iter().map(Planned::name).collect();
        assert_eq!(names[0], format!("lease/windlass-{NO_ID}"));
        assert!(names[1..].iter().all(|name| name.starts_with("configmap/")), "{names:?}");
        let text = serde_json::to_string(&planned[1].manifest).unwrap();
        assert!(text.len() < 1000 && text.contains("bytes-left-out") && text.contains("\"ci\""), "{text}");
        assert!(planned[0].manifest["spec"].get("renewTime").is_none());
        let data = [("WORD".to_owned(), ByteString(b"hidden".to_vec()))].into();
        let given = without_values(Secret { data: Some(data), ..Secret::default() });
        let secret = shown(&options, "", &given);
        assert_eq!(secret.manifest["data"], serde_json::json!({"WORD": ""}));
        assert_eq!(secret.path("ci"), "/api/v1/namespaces/ci/secrets?dryRun=All");
        assert_eq!(planned[0].path("ci"), "/apis/coordination.k8s.io/v1/namespaces/ci/leases?dryRun=All");
    }
}
