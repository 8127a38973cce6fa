//! What is removed, and how it is named in the ledger: `NAMESPACE/KIND/NAME`.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, PropagationPolicy};
use kube::{Api, Client, Error, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

use super::call;
use crate::ledger::{Object, ObjectKind};

/// A kind of which we make objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    ConfigMap,
    Secret,
    Claim,
    Lease,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Pod, "pod"),
    (Kind::ConfigMap, "configmap"),
    (Kind::Secret, "secret"),
    (Kind::Claim, "persistentvolumeclaim"),
    (Kind::Lease, "lease"),
];

/// What the ledger says of an object.
pub(super) fn object(namespace: &str, kind: Kind, name: &str) -> Object {
    let word = KINDS.iter().find(|(found, _)| *found == kind).map_or("", |(_, word)| word);
    Object { kind: ObjectKind::Resource, name: format!("{namespace}/{word}/{name}") }
}

/// Removes it, whatever state it is in. One that is gone already is a success.
///
/// # Errors
/// When the cluster does not answer or refuses, or it is of another backend.
pub(super) async fn remove(client: &Client, object: &Object) -> Result<(), String> {
    let mut parts = object.name.splitn(3, '/');
    let (namespace, word, name) = (parts.next(), parts.next(), parts.next());
    let kind = KINDS.iter().find(|(_, known)| Some(*known) == word).map(|(kind, _)| kind);
    let (Some(namespace), Some(kind), Some(name), ObjectKind::Resource) =
        (namespace, kind, name, object.kind)
    else {
        return Err("it is not on a cluster; `windlass clean` removes it".to_owned());
    };
    let (client, namespace) = (client.clone(), namespace.to_owned());
    let removed = match kind {
        Kind::Pod => {
            let api = Api::namespaced(client, &namespace);
            delete_now(&api, name).await
        }
        Kind::ConfigMap => delete::<ConfigMap>(client, &namespace, name).await,
        Kind::Secret => delete::<Secret>(client, &namespace, name).await,
        Kind::Claim => delete::<PersistentVolumeClaim>(client, &namespace, name).await,
        Kind::Lease => delete::<Lease>(client, &namespace, name).await,
    };
    removed.map_err(|error| call::words(&error))
}

/// Deletes a pod without a grace: what was to be told to its program was told by us.
///
/// # Errors
/// When the cluster does not answer or refuses.
pub(super) async fn delete_now(api: &Api<Pod>, name: &str) -> Result<(), Error> {
    delete_within(api, name, 0).await
}

/// Deletes a pod: TERM now, KILL after so many seconds.
///
/// # Errors
/// When the cluster does not answer or refuses.
pub(super) async fn delete_within(api: &Api<Pod>, name: &str, grace: u32) -> Result<(), Error> {
    let params = DeleteParams { grace_period_seconds: Some(grace), ..DeleteParams::default() };
    gone(call::repeat_allowed(|| async { api.delete(name, &params).await.map(drop) }).await)
}

async fn delete<K>(client: Client, namespace: &str, name: &str) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(client, namespace);
    let policy = Some(PropagationPolicy::Background);
    let params = DeleteParams { propagation_policy: policy, ..DeleteParams::default() };
    gone(call::repeat_allowed(|| async { api.delete(name, &params).await.map(drop) }).await)
}

fn gone(deleted: Result<(), Error>) -> Result<(), Error> {
    match deleted {
        Err(error) if !call::is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}
