//! How the helper comes into a pod: the run brings it in `ConfigMap`s, or an image of the user's choice has it.
//!
//! Either way there is a directory with a program that is the helper, or becomes it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::names::helper_name;
use super::security::context;
use super::{Common, INSTALLER, Options, meta, put};
use crate::base::hex;
use crate::helper::{BOOT, EXECUTABLE, PATH};

/// The volume that it is in.
pub(super) const VOLUME: &str = "helper";

/// Bytes of it in one `ConfigMap`, which may hold a megabyte, names included.
const PART: usize = 900 << 10;
/// Where the container that installs it has the volume.
const TARGET: &str = "/windlass-volume";
/// Who that is where it may not be root, and nobody says another: an image of the helper alone names no user.
const NOBODY: i64 = 65_532;

/// What the helper of an image has to be.
static SHA256: LazyLock<String> = LazyLock::new(|| hex(&Sha256::digest(EXECUTABLE)));

/// The helper in as many `ConfigMap`s as it takes; none where an image has it.
pub(in super::super) fn helper(common: &Common, options: &Options) -> Vec<ConfigMap> {
    if options.helper_image.is_some() {
        return Vec::new();
    }
    let parts = EXECUTABLE.chunks(PART).enumerate().map(|(number, part)| {
        let mut data = BTreeMap::from([(number.to_string(), ByteString(part.to_vec()))]);
        if number == 0 {
            data.insert("boot".to_owned(), ByteString(BOOT.to_vec()));
        }
        ConfigMap {
            metadata: meta(common, helper_name(&common.run, number)),
            binary_data: Some(data),
            immutable: Some(true),
            ..ConfigMap::default()
        }
    });
    parts.collect()
}

/// The volume that the helper is in, or comes into.
pub(super) fn volume(common: &Common, options: &Options) -> Value {
    if options.helper_image.is_some() {
        return json!({"name": VOLUME, "emptyDir": {}});
    }
    let parts: Vec<_> = (0..EXECUTABLE.len().div_ceil(PART))
        .map(|number| json!({"configMap": {"name": helper_name(&common.run, number)}}))
        .collect();
    json!({"name": VOLUME, "projected": {"sources": parts, "defaultMode": 0o555}})
}

/// What puts it there out of an image, before all else in the pod; it may use what the pod's program may (`resources`).
pub(super) fn container(options: &Options, resources: Option<&Value>) -> Option<Value> {
    let image = options.helper_image.as_ref()?;
    let file = format!("{TARGET}/boot");
    let mut container = json!({
        "name": INSTALLER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [PATH, "install", file, *SHA256],
        "volumeMounts": [{"name": VOLUME, "mountPath": TARGET}],
        // A helper that is older says on its standard error that it cannot do this.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    let user = options.restricted.then(|| options.user.unwrap_or(NOBODY));
    put(&mut container, "securityContext", Some(context(options, user)));
    put(&mut container, "resources", resources);
    Some(container)
}
