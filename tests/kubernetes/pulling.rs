//! An image that a registry gives to nobody but who may have it. The registry is a pod on the node's own network, which the
//! node finds where it looks for `localhost:5010`.

use serde_json::{Value, json};

use crate::bed::IMAGE;
use crate::place::Place;

/// Makes an image of the files here, lays it out as a registry answers, and gives it to who knows the password.
const REGISTRY: &str = r#"
set -e
mkdir /registry && cd /registry
to=root/v2/$NAMESPACE/tool
mkdir -p $to/manifests $to/blobs
tar -cf layer -C / bin
digest() { echo "sha256:$(sha256sum $1 | cut -d' ' -f1)"; }
put() { mv $1 $to/$2/$(digest $1); }
describe() { echo "{\"mediaType\":\"application/vnd.oci.image.$2\",\"digest\":\"$(digest $1)\",\"size\":$(stat -c %s $1)}"; }
echo "{\"architecture\":\"$ARCHITECTURE\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"$(digest layer)\"]}}" > config
echo "{\"schemaVersion\":2,\"config\":$(describe config config.v1+json),\"layers\":[$(describe layer layer.v1.tar)]}" > manifest
cp manifest $to/manifests/1.oci
put manifest manifests; put config blobs; put layer blobs
printf '/:me:open-sesame\n.oci:application/vnd.oci.image.manifest.v1+json\n' > users
exec httpd -f -p 127.0.0.1:5010 -h root -c /registry/users
"#;

/// Starts it; what makes runs use its node.
async fn registry(place: &Place) -> String {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let container = json!({
        "name": "registry",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", REGISTRY],
        "env": [{ "name": "NAMESPACE", "value": place.bed.namespace }, { "name": "ARCHITECTURE", "value": architecture }],
        "readinessProbe": { "tcpSocket": { "host": "127.0.0.1", "port": 5010 }, "periodSeconds": 1 },
    });
    let pod = json!({
        "metadata": { "name": "registry" },
        "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 0, "containers": [container] },
    });
    place.bed.ask("POST", &place.bed.path("/api/v1/namespaces/{}/pods"), &pod).await;
    let path = place.bed.path("/api/v1/namespaces/{}/pods/registry");
    let is_ready = async || {
        place.bed.ask("GET", &path, &Value::Null).await["status"]["containerStatuses"][0]["ready"] == true
    };
    place.bed.wait("a registry", is_ready).await;
    let node = place.bed.ask("GET", &path, &Value::Null).await["spec"]["nodeName"].clone();
    let node = place.bed.ask("GET", &format!("/api/v1/nodes/{}", node.as_str().unwrap()), &Value::Null).await;
    format!(
        "node_selector = {{ \"kubernetes.io/hostname\" = {} }}",
        node["metadata"]["labels"]["kubernetes.io/hostname"]
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_settings_opens_a_registry() {
    let place = Place::with_keys("image: IMAGE, run: 'echo pulled'").await;
    let image = format!("localhost:5010/{}/tool:1.oci", place.bed.namespace);
    let file = place.project().join("windlass.yml");
    let pipeline = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, pipeline.replace("IMAGE", &format!("'{image}'"))).unwrap();
    let there = registry(&place).await;
    place.set(&there);

    let refused = place.windlass(&["run", "--output", "json"]).await.code(1);
    let (end, words) = refused.end();
    assert_eq!(end, "failed image_refused", "{words}");

    let config = json!({ "auths": { "localhost:5010": { "username": "me", "password": "open-sesame" } } });
    let secret = json!({
        "metadata": { "name": "registry" },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": config.to_string() },
    });
    place.bed.ask("POST", &place.bed.path("/api/v1/namespaces/{}/secrets"), &secret).await;
    place.set(&format!("{there}\npull_secrets = [\"registry\"]"));
    let ran = place.windlass(&["run", "--output", "json"]).await.code(0);
    assert_eq!(ran.end().0, "passed -", "{}", ran.stdout);
}
