//! A namespace that takes pods of the Pod Security Standard *restricted* alone.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::{Bed, ask};
use crate::volume::Volume;

const PIPELINE: &str = "
defaults: { image: windlass/busybox }
stages:
  - name: first
    steps: [{ name: write, run: 'id -u; test -f windlass.yml; test ! -e lost+found; echo from the first > new; echo ''is ${WHO}'' > ''odd: a, b.conf''' }]
  - name: second
    steps: [{ name: read, user: '1234:5', run: 'id -u; id -g; cat new; echo more >> new' }]
  - name: third
    services:
      told: { image: windlass/busybox, command: [httpd, -f, -p, '8080', -h, /etc], ready: { http: 8080/hostname, timeout: 10m } }
      own:
        image: windlass/busybox
        args: [sh, -c, 'id -u; echo $WORD; httpd -f -p 8080 -h /etc']
        env: { WORD: ready }
        ready: { command: [wget, -q, -O, '-', 'http://told:8080/hostname'], timeout: 10m }
      scratch: { image: windlass/bare, ready: { log: bare, timeout: 10m }, on_exit: ignore }
    steps:
      - { name: fill, user: '1234:5', substitute: ['*.conf'], env: { WHO: me }, run: 'cat *.conf; echo mine >> ''odd: a, b.conf''' }
      - { name: look, wait_for: { file: new }, run: 'cat *.conf' }
      - name: ask
        user: '1234'
        run: |
          wget -q -O - http://told:8080/hostname
          wget -q -O - http://own:8080/hostname
";

const ALONE: &str = "
stages:
  - name: only
    steps: [{ name: write, image: windlass/busybox, user: '1234', run: 'id -u; echo more >> windlass.yml; touch new' }]
";

#[tokio::test]
async fn restricted_pods_are_taken_and_run() {
    let bed = Bed::new().await;
    let namespaces: Api<Namespace> = Api::all(bed.admin.clone());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
    namespaces.patch(&bed.namespace, &PatchParams::default(), &patch).await.unwrap();
    let container = json!({ "name": "it", "image": "windlass/busybox" });
    let pod = json!({ "metadata": { "name": "it" }, "spec": { "containers": [container] } });
    let pods = bed.path("/api/v1/namespaces/{}/pods?dryRun=All");
    bed.wait("a server that knows this", async || ask(&bed.admin, "POST", &pods, &pod).await.is_err()).await;

    let refused = bed.windlass(&["plan", "--backend", "kubernetes", "--server"], PIPELINE, "").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("violates PodSecurity \"restricted:latest\""), "{said}");

    let settings = "[kubernetes]\nrestricted = true\nuser = 1000\n";
    let taken = bed.windlass(&["plan", "--backend", "kubernetes", "--server"], PIPELINE, settings).await;
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{said}");

    let run = ["run", "--backend", "kubernetes", "--image", "windlass/busybox", "--", "id", "-u"];
    for more in ["", "helper_image = \"windlass/helper\"\n"] {
        let ran = bed.windlass(&run, PIPELINE, &format!("{settings}{more}")).await;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!((ran.status.code(), ran.stdout), (Some(0), b"1000\n".to_vec()), "{said}");
    }

    // In the pod of the only step that has it.
    let ran = bed.windlass(&["run", "--backend", "kubernetes"], ALONE, settings).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(0) && said.contains("write │ 1234"), "{said}");

    let volume = Volume::new(&bed, "ReadWriteOnce").await;
    let settings = format!("{settings}{}\n", volume.settings());
    let ran = bed.windlass(&["run", "--backend", "kubernetes"], PIPELINE, &settings).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    volume.remove(&bed).await;
    assert_eq!(ran.status.code(), Some(0), "{said}");
    for line in [
        "write │ 1000",
        "read  │ 1234",
        "read  │ 5",
        "read  │ from the first",
        "fill  │ is me",
        "look  │ is ${WHO}",
        "ask   │ windlass",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    bed.assert_empty().await;
}
