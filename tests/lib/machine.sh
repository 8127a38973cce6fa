# shellcheck shell=bash disable=SC2016,SC2034
# What must be on this machine, found by trying it rather than by asking a package manager, so that any distribution
# can do; and its installation where that is ours to do: as root, on Debian.

# Debian package, then the command that works once it is there.
build_needs='
gcc                 command -v cc
libc6-dev           test -e /usr/include/stdio.h
pkg-config          command -v pkg-config
libssl-dev          pkg-config --exists openssl
zlib1g-dev          pkg-config --exists zlib
git                 command -v git
ca-certificates     test -e /etc/ssl/certs
'
# The examples are read by YAML parsers and a schema validator that are not ours, archives by other programs too, and
# sources come from servers of the tests' own.
test_needs='
tar                 tar --version | grep -q GNU
python3             command -v /usr/bin/python3
python3-yaml        /usr/bin/python3 -c "import yaml"
python3-ruamel.yaml /usr/bin/python3 -c "import ruamel.yaml"
python3-jsonschema  /usr/bin/python3 -c "import jsonschema"
openssl             command -v openssl
openssh-client      command -v ssh-keygen && command -v ssh-agent
openssh-server      test -x /usr/sbin/sshd
'
# For fuzz/run, which tests/run --full starts: libFuzzer is C++.
fuzz_needs='
g++                 command -v c++
'
# For a Docker daemon of our own.
docker_needs='
docker.io           command -v dockerd && command -v docker
iproute2            command -v ip
strace              command -v strace
util-linux          command -v setsid
'
# For engines of other kinds: by TLS, by ssh, Podman.
elsewhere_needs='
podman              command -v podman
openssl             command -v openssl
openssh-server      test -x /usr/sbin/sshd
openssh-client      command -v ssh
util-linux          command -v unshare
'
# For a Kubernetes cluster of our own; the rest of it is compiled, see tests/lib/cluster.sh.
cluster_needs='
etcd-server         command -v etcd
containerd          command -v containerd && command -v ctr
runc                command -v runc
containernetworking-plugins  test -x "${CNI_PATH:-/usr/lib/cni}/bridge"
curl                command -v curl
openssl             command -v openssl
iproute2            command -v ip
util-linux          command -v unshare && command -v nsenter && command -v setsid
'
# For images/make: the small ones, and those with a Debian in them.
busybox_needs='
busybox-static      static_busybox
'
debian_needs='
mmdebstrap          command -v mmdebstrap
'

static_busybox() { [[ -x /bin/busybox ]] && ! ldd /bin/busybox; }

# missing NEEDS...: the packages whose command does not work.
missing() {
  local package probe
  while read -r package probe; do
    [[ -z $package ]] || (eval "$probe") >/dev/null 2>&1 || echo "$package"
  done <<<"$(printf '%s\n' "$@")"
}

# provide NEEDS...: installs what is missing. Prints what to do and returns 1 where it may not.
provide() {
  local packages systemctl=true
  mapfile -t packages < <(missing "$@")
  [[ ${#packages[@]} -gt 0 ]] || return 0
  if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "missing on this machine: ${packages[*]}"
    echo "as root on Debian: apt-get install --no-install-recommends ${packages[*]}"
    return 1
  fi
  echo "installing ${packages[*]}"
  apt_quietly update
  # With systemd, Docker's package would start a daemon, which has the firewall drop what ours forwards.
  if [[ -d /run/systemd/system && " ${packages[*]} " == *' docker.io '* ]]; then systemctl=systemctl; fi
  "$systemctl" mask --runtime docker.service docker.socket
  # Whether it worked is seen below.
  apt_quietly install --no-install-recommends "${packages[@]}" || true
  "$systemctl" unmask --runtime docker.service docker.socket
  mapfile -t packages < <(missing "$@")
  [[ ${#packages[@]} == 0 ]] || { echo "still missing: ${packages[*]}"; return 1; }
}

apt_quietly() {
  local log
  log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=120 "$@" </dev/null >"$log" 2>&1; then
    tail -n 20 "$log"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
