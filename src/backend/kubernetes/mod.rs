//! The backend that runs steps on a Kubernetes cluster, through kube-rs.
//!
//! A step is a pod whose PID 1 is the helper. Everything is said over the attached streams, so nothing but the API is
//! needed: no image of ours, no shared file system with this machine, no controller in the cluster. A run is a Lease
//! that owns all else. Why it is made as it is stands in `docs/adr/0024-kubernetes.md`.

mod call;
mod connect;
mod container;
mod go;
mod inner;
mod keeper;
mod lacks;
mod layer;
mod lease;
mod link;
mod log;
mod manifest;
mod options;
mod own;
mod pods;
mod preview;
mod probe;
mod proxy;
mod removal;
#[cfg(test)]
mod scripted;
mod session;
mod state;
mod upload;
mod wire;

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;

pub use lacks::lacks;
pub use options::{Options, Toleration};
pub use preview::{Planned, manifests, no_run};

use super::lacks::Lack;
use super::{Backend, BackendError, FoundObject, RunSpec, Session};
use crate::base::{InstanceId, RunId};
use crate::ledger::{Object, RunLedger};
use manifest::{INSTANCE_LABEL, RUN_LABEL};
use removal::Kind;
use session::KubernetesSession;

/// What says that a storage class is the cluster's choice.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A cluster that answered.
pub struct Kubernetes {
    client: Client,
    namespace: String,
    description: String,
    options: Arc<Options>,
    instance: InstanceId,
}

/// Finds the cluster: that of the options, else of the kubeconfig, else the one that this is a pod of.
///
/// # Errors
/// When none is named or it does not answer within half a minute; the error says what was tried and what to do.
pub async fn connect(options: Options, instance: &InstanceId) -> Result<Kubernetes, BackendError> {
    let found = connect::connect(&options).await?;
    Ok(Kubernetes {
        client: found.client,
        namespace: found.namespace,
        description: found.description,
        options: Arc::new(options),
        instance: instance.clone(),
    })
}

impl Kubernetes {
    async fn open_run(&self, run: RunSpec, ledger: Arc<RunLedger>) -> Result<Arc<dyn Session>, BackendError> {
        if run.workspace.is_some() && !self.options.keeps_in_pod(run.workspace_once) {
            self.has_storage().await?;
        }
        Ok(KubernetesSession::open(self, run, ledger).await?)
    }

    /// Whether there will be a volume for the workspace, as far as that can be known.
    async fn has_storage(&self) -> Result<(), BackendError> {
        if self.options.storage_class.is_some() {
            return Ok(());
        }
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        // Who may not ask is told by the claim.
        let Ok(classes) = call::once(classes.list(&ListParams::default())).await else { return Ok(()) };
        let is_default = |class: &StorageClass| {
            class.annotations().get(DEFAULT_CLASS).is_some_and(|value| value == "true")
        };
        if classes.items.iter().any(is_default) {
            return Ok(());
        }
        let names: Vec<_> = classes.items.iter().map(ResourceExt::name_any).collect();
        let there =
            if names.is_empty() { "and no other".to_owned() } else { format!("only {}", names.join(", ")) };
        Err(BackendError::new(format!("the cluster has no default storage class for the workspace, {there}"))
            .with_help("name a class in the settings: `storage_class` of `[kubernetes]`; \"\" takes a volume without one"))
    }

    async fn labelled<K>(&self, kind: Kind) -> Result<Vec<FoundObject>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().labels(&format!("{INSTANCE_LABEL}={}", self.instance));
        let found =
            call::repeat(|| api.list_metadata(&params)).await?.items.into_iter().filter_map(|found| {
                let run = RunId::new(found.labels().get(RUN_LABEL)?.as_str());
                Some(FoundObject { run, object: removal::object(&self.namespace, kind, &found.name_any()) })
            });
        Ok(found.collect())
    }

    async fn all_labelled(&self) -> Result<Vec<FoundObject>, Error> {
        let mut all = self.labelled::<Pod>(Kind::Pod).await?;
        all.extend(self.labelled::<ConfigMap>(Kind::ConfigMap).await?);
        all.extend(self.labelled::<Secret>(Kind::Secret).await?);
        all.extend(self.labelled::<PersistentVolumeClaim>(Kind::Claim).await?);
        all.extend(self.labelled::<Lease>(Kind::Lease).await?);
        Ok(all)
    }
}

impl Backend for Kubernetes {
    fn description(&self) -> String {
        self.description.clone()
    }

    fn sees_files(&self) -> bool {
        false
    }

    fn lacks(&self) -> Vec<Lack> {
        lacks(&self.options)
    }

    fn open(
        &self,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>> {
        Box::pin(self.open_run(run, ledger))
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>> {
        Box::pin(async { self.all_labelled().await.map_err(|error| BackendError::new(call::words(&error))) })
    }

    fn remove<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let removed = removal::remove(&self.client, object).await;
            removed.map_err(|why| BackendError::new(format!("cannot remove {}: {why}", object.name)))
        })
    }
}
