# shellcheck shell=bash
# A Kubernetes cluster of one node, of a run's own: tests/cluster/node in the run's sandbox. Needs no registry and no kubectl.
#
#   cluster_build          compiles the programs of tests/cluster/go.mod into $(cluster_programs)
#   cluster_start          starts the node; it is reached with $(cluster_config)
#   cluster_import FILE    gives it the images of an archive
#
# All its processes are in a PID namespace, and what they mount and link in namespaces of the same process, so that its
# end is the end of all of it. Addresses and ports are its own too: it disturbs no other cluster, and none disturbs it.

cluster_programs() { echo "$(target_directory)/windlass-cluster"; }

cluster_config() { echo "${sandbox:?}/cluster/kubeconfig"; }

# Debian 12 has no package of such a Go.
can_compile_cluster() {
  [[ $(go env GOVERSION 2>/dev/null) =~ ^go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 24 ]] ||
    { echo "missing on this machine: Go 1.24 or newer, see https://go.dev/dl" && return 1; }
}

cluster_build() {
  local programs version=k8s.io/component-base/version release
  programs=$(cluster_programs)
  mkdir -p "$programs"
  release=$(go -C tests/cluster list -m -f '{{.Version}}' k8s.io/kubernetes)
  # Exactly what go.mod and go.sum name, by this machine's compiler, whatever its environment says.
  GOFLAGS='' GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0 go -C tests/cluster build -mod=readonly -trimpath -buildvcs=false \
    -ldflags "-s -w -X $version.gitVersion=$release -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$release")" \
    -o "$programs/" tool
  echo "Kubernetes ${release#v}, compiled by $(go env GOVERSION)"
}

# cluster_certify NAME SUBJECT [EXTENSION]: a key, and a certificate that the cluster's authority signs.
cluster_certify() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -subj "$2" \
    -CA ca.crt -CAkey ca.key -keyout "$1.key" -out "$1.crt" -addext basicConstraints=critical,CA:false ${3:+-addext "$3"}
}

# cluster_identities DIR ADDRESS: who is who, and the administrator's kubeconfig.
cluster_identities() {
  local token
  token=$(openssl rand -hex 32)
  (
    cd "$1/tls" || exit
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -subj /CN=windlass-tests -keyout ca.key -out ca.crt
    cluster_certify server /CN=node "subjectAltName=IP:$2,IP:10.96.0.1"
    cluster_certify client /CN=kube-apiserver
    openssl ecparam -name prime256v1 -genkey -noout -out accounts.key
    echo "$token,admin,admin,system:masters" >tokens
    echo "Authorization: Bearer $token" >header
  ) 2>"$1/log/openssl"
  cat >"$1/kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$2:443", certificate-authority-data: $(base64 --wrap 0 "$1/tls/ca.crt")}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
CONFIG
}

# cluster_ask PATH [CURL OPTIONS]: what the API server answers, without the spaces.
cluster_ask() {
  local path=$1 server
  shift
  server=$(sed -n 's/.*server: "\([^"]*\)".*/\1/p' "$(cluster_config)")
  curl --silent --fail --max-time 10 --cacert "$sandbox/cluster/tls/ca.crt" --header "@$sandbox/cluster/tls/header" "$@" "$server$path" |
    tr -d '[:space:]'
}

# Ready, and free of the taint that a node is born with.
cluster_is_ready() {
  local node
  node=$(cluster_ask /api/v1/nodes/node) && [[ $node == *'"type":"Ready","status":"True"'* && $node != *'"taints"'* ]]
} 2>/dev/null

cluster_start() {
  local dir=$sandbox/cluster began=$SECONDS net token waited
  token=$(basename "$sandbox")
  net=$(free_net 201)
  umask 077
  mkdir -p "$dir"/{tls,own,log,cni}
  cluster_identities "$dir" "$net.2"
  env --chdir=/ setsid unshare --mount --net --pid --fork --kill-child --mount-proc "$PWD/tests/cluster/node" \
    "$dir" "$(cluster_programs)" "$token" "$net" 3</proc/self/ns/net </dev/null >"$dir/log/node" 2>&1 &
  local node=$!
  for waited in {1..1500}; do
    if cluster_is_ready; then
      cluster_class || return
      echo "node ready after $((SECONDS - began)) s"
      return
    fi
    if [[ ! -d /proc/$node ]]; then
      echo "the cluster ended while it was starting:" >&2
      cat "$dir/log/node" >&2
      return 1
    fi
    sleep 0.2
  done
  echo "the node was not ready (asked $waited times); the last that its components said:" >&2
  tail -n 5 "$dir"/log/* >&2
  return 1
}

# A default storage class, as most clusters have one. A server that has just begun may not answer in time, and make it.
cluster_class() {
  local classes=/apis/storage.k8s.io/v1/storageclasses end=$((SECONDS + 300))
  while ((SECONDS < end)); do
    if [[ $(cluster_ask "$classes/host") == *'"name":"host"'* ]]; then
      return
    fi
    cluster_ask "$classes" --header 'Content-Type: application/json' --data \
      '{"metadata": {"name": "host", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "kubernetes.io/host-path"}' >/dev/null ||
      sleep 0.2
  done
  echo "the cluster took no storage class in 300 s; the last that its components said:" >&2
  tail -n 5 "$sandbox"/cluster/log/* >&2
  return 1
}

cluster_import() { ctr --address "$sandbox/cluster/containerd.sock" --namespace k8s.io images import --all-platforms "$1" >/dev/null; }
