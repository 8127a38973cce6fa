//! From the settings about Kubernetes to what the backend is told.

use crate::backend::kubernetes::{Options, Toleration};
use crate::config::Kubernetes;

/// How the cluster is to be used.
pub(super) fn options(set: &Kubernetes) -> Options {
    let default = Options::default();
    let tolerations = set.tolerations.iter().map(|one| Toleration {
        key: one.key.clone(),
        value: one.value.clone(),
        effect: one.effect.clone(),
        operator: if one.value.is_some() { "Equal" } else { "Exists" },
    });
    Options {
        server: set.server.clone(),
        namespace: set.namespace.clone(),
        node_selector: set.node_selector.clone(),
        tolerations: tolerations.collect(),
        service_account: set.service_account.clone(),
        pull_secrets: set.pull_secrets.clone(),
        storage_class: set.storage_class.clone(),
        workspace_size: set.workspace_size.clone().unwrap_or_else(|| default.workspace_size.clone()),
        shared_workspace: set.shared_workspace,
        helper_image: set.helper_image.clone(),
        restricted: set.restricted,
        user: set.user,
        patience: set.patience.unwrap_or(default.patience),
        ..default
    }
}
