//! The pod of a service that runs its image's own program, and the object that has its environment.
//!
//! A cluster does not say what that program is, so nobody but the runtime can start it: a container without `command`
//! does. What holds it back until it may go is a container before it, the gate, whose program is the helper.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use serde_json::{Value, json};

use super::names::of_container;
use super::pod::{
    boot, mounts, names_container, names_file, names_mount, names_volume, of_spec, pod, resources, volumes,
};
use super::security::{context, own_user, security};
use super::{CONTAINER, Common, GATE, Options, meta, put};
use crate::backend::{ContainerSpec, ProgramSpec, SecretPlace};

/// The pod of such a service.
pub(in super::super) fn own(common: &Common, options: &Options, spec: &ContainerSpec) -> Pod {
    let object = of_container(&common.run, spec);
    let (mut volumes, mut mounts) = (volumes(common, options, None), mounts(None));
    volumes.push(names_volume());
    mounts.push(names_mount(true));
    let mut files = Vec::new();
    let mut env: Vec<Value> = spec.env.keys().map(|variable| from(&object, variable)).collect();
    for (number, secret) in spec.secrets.iter().enumerate() {
        match &secret.place {
            SecretPlace::Variable(variable) => env.push(from(&object, variable)),
            SecretPlace::File(path) => {
                let (key, file) = (key_of(number), number.to_string());
                mounts.push(json!({"name": "secrets", "mountPath": path, "subPath": file, "readOnly": true}));
                files.push(json!({"key": key, "path": file}));
            }
        }
    }
    if !files.is_empty() {
        let source = json!({"secretName": object, "items": files, "defaultMode": 0o444});
        volumes.push(json!({"name": "secrets", "secret": source}));
    }
    let mut container = json!({
        "name": CONTAINER,
        "image": spec.image.to_string(),
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": mounts,
    });
    if let ProgramSpec::Entrypoint { args } = &spec.program {
        // A cluster would put variables into them.
        let args: Vec<_> = args.iter().map(|arg| arg.replace('$', "$$")).collect();
        put(&mut container, "args", (!args.is_empty()).then_some(args));
    }
    put(&mut container, "env", (!env.is_empty()).then_some(env));
    put(&mut container, "workingDir", spec.workdir.clone());
    put(&mut container, "resources", resources(spec));
    put(&mut container, "securityContext", Some(security(options, spec, false)));
    // The helper, which is not its PID 1, is asked whether its runner is still there.
    let asked = json!({"exec": {"command": [boot(), "tended"]}, "periodSeconds": 30, "timeoutSeconds": 30, "failureThreshold": 3});
    put(&mut container, "livenessProbe", Some(asked));
    let file = names_file();
    let mut gate = names_container(spec, GATE, &["pod", &file]);
    put(&mut gate, "securityContext", Some(context(options, own_user(options, spec).0)));
    of_spec(common, spec, pod(common, options, (vec![gate], container), volumes, None), spec.grace)
}

/// What its program is given, where it is given anything.
pub(in super::super) fn given(common: &Common, spec: &ContainerSpec) -> Option<Secret> {
    let env = spec.env.iter().map(|(variable, value)| (variable.clone(), value.clone().into_bytes()));
    let secrets = spec.secrets.iter().enumerate().map(|(number, secret)| {
        let key = match &secret.place {
            SecretPlace::Variable(variable) => variable.clone(),
            SecretPlace::File(_) => key_of(number),
        };
        (key, secret.value.expose().to_vec())
    });
    let data: std::collections::BTreeMap<_, _> =
        env.chain(secrets).map(|(key, value)| (key, ByteString(value))).collect();
    (!data.is_empty()).then(|| Secret {
        metadata: meta(common, of_container(&common.run, spec)),
        data: Some(data),
        immutable: Some(true),
        ..Secret::default()
    })
}

/// A variable whose value is in the object.
fn from(object: &str, variable: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": object, "key": variable}}})
}

/// Where the object has a secret that is to be a file: no variable is called so.
fn key_of(number: usize) -> String {
    format!("file.{number}")
}
