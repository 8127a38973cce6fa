# shellcheck shell=bash
# A directory of one run's own and, in it, a Docker daemon of its own; and the removal of both, whatever happened.
#
#   sandbox_create        sets $sandbox; removes first what killed runs left
#   sandbox_docker        starts the daemon; it answers at $(sandbox_endpoint)
#   sandbox_remove DIR    ends the daemon, those of its tests and the cluster, with containers, mounts, cgroups and links, and removes the directory
#
# The directory's random name (wl-XXXXXXXX) is the token that all of it carries: the bridge, the cgroup, containerd's
# namespace and the command line of every process of the daemon. So what is removed is found by what it is, also after
# a kill -9, and nothing else can be meant. Lies in /var/tmp: short enough for socket paths, outside of any repository,
# and never in memory.

sandbox_base=${WINDLASS_TEST_TMP:-/var/tmp}

sandbox_create() {
  sandbox_sweep
  sandbox=$(mktemp -d "$sandbox_base/wl-XXXXXXXX")
  process_identity $$ >"$sandbox/owner"
  mkdir "$sandbox/tmp" "$sandbox/log"
  # Some tests are somebody else for a moment, who must get to what is theirs; nobody may list what is here.
  chmod 711 "$sandbox" "$sandbox/tmp"
}

sandbox_endpoint() { echo "unix://$sandbox/docker.sock"; }

# A process id alone may have been given to another process; with the time of its start it is one process only.
process_identity() {
  local stat
  # The name in brackets may hold spaces, so fields are counted after it.
  stat=$(<"/proc/$1/stat") && stat=${stat##*) } && echo "$1 $(cut -d' ' -f20 <<<"$stat")"
} 2>/dev/null

sandbox_sweep() {
  local dir pid owner
  for dir in "$sandbox_base"/wl-????????; do
    [[ -O $dir && -f $dir/owner ]] || continue
    owner=$(<"$dir/owner")
    pid=${owner% *}
    [[ $(process_identity "$pid") == "$owner" ]] && continue
    echo "removing what a run that was killed left in $dir"
    sandbox_remove "$dir"
  done
}

# free_net SECOND: the first three numbers of a subnet in 10.SECOND that no route of this machine leads to.
free_net() {
  local third first=$((BASHPID % 256)) routes
  routes=$(ip -4 route show table all)
  for third in $(seq "$first" 255) $(seq 0 "$first"); do
    grep -q "10\.$1\.$third\." <<<"$routes" || { echo "10.$1.$third"; return; }
  done
  echo "no free subnet in 10.$1.0.0/16" >&2
  return 1
}

sandbox_docker() {
  local token subnet
  token=$(basename "$sandbox")
  subnet=$(free_net 200).1/24
  ip link add name "$token" type bridge
  ip address add "$subnet" dev "$token"
  ip link set "$token" up
  # An empty configuration instead of the machine's own, whose settings may clash with these.
  echo '{}' >"$sandbox/daemon.json"
  # The firewall is left alone: a second daemon that sets it up takes away the first one's rules.
  setsid dockerd --config-file "$sandbox/daemon.json" --host "$(sandbox_endpoint)" --group 0 \
    --data-root "$sandbox/docker" --exec-root "$sandbox/exec" --pidfile "$sandbox/docker.pid" \
    --containerd-namespace "$token" --containerd-plugins-namespace "$token-plugins" \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$token" \
    --bridge "$token" --iptables=false --ip-forward=false --ip-masq=false \
    </dev/null >"$sandbox/log/dockerd" 2>&1 &
  local daemon=$! waited
  for waited in {1..1500}; do
    docker --host "$(sandbox_endpoint)" version >/dev/null 2>&1 && return
    [[ -d /proc/$daemon ]] || break
    sleep 0.2
  done
  echo "dockerd did not answer (asked $waited times); the last of its log:" >&2
  tail -n 20 "$sandbox/log/dockerd" >&2
  return 1
}

# sandbox_processes TOKEN NAME: the daemon's own processes; dockerd, containerd and its shims all have the token in
# their command line.
sandbox_processes() {
  local dir name words
  for dir in /proc/[0-9]*; do
    { read -r name <"$dir/comm"; } 2>/dev/null || continue
    # shellcheck disable=SC2053  # the name is a pattern: containerd has shims of several names
    [[ $name == $2 ]] || continue
    { mapfile -d '' -t words <"$dir/cmdline"; } 2>/dev/null || continue
    if [[ ${words[*]} == *"$1"* ]]; then echo "${dir#/proc/}"; fi
  done
}

# end_processes SIGNAL TENTHS TOKEN NAME: sends the signal, then waits until none is left or the time is over.
end_processes() {
  local pids waited
  mapfile -t pids < <(sandbox_processes "$3" "$4")
  [[ ${#pids[@]} -gt 0 ]] || return 0
  kill "-$1" "${pids[@]}" 2>/dev/null || true
  for ((waited = 0; waited < $2; waited++)); do
    [[ -n $(sandbox_processes "$3" "$4") ]] || return 0
    sleep 0.1
  done
}

# kill_containers TOKEN: every process in the daemon's cgroups; containers outlive a daemon that was killed.
kill_containers() {
  local cgroup pid
  while read -r cgroup; do
    # It may be gone by now.
    while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done < <(cat "$cgroup/cgroup.procs" 2>/dev/null)
  done < <(sandbox_cgroups "$1")
}

sandbox_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/$1*" 2>/dev/null || true; }

sandbox_remove() {
  local dir=$1 token engine path status=0
  token=$(basename "$dir")
  # Only a name that mktemp made may steer what follows.
  [[ $token =~ ^wl-[A-Za-z0-9]{8}$ && -O $dir ]] || return 0
  # What tests and commands that were killed left of engines of their own, whose directories are in this one.
  for engine in "$dir"/{tmp/wl-[a-z]-??????,first/wl-????????}; do
    [[ ! -d $engine ]] || remove_engine "$(basename "$engine")"
  done
  remove_cluster "$token" || status=1
  remove_engine "$token"
  while read -r path; do
    umount "$path" 2>/dev/null || umount --lazy "$path" || true
  done < <(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac)
  rm -rf --one-file-system "$dir" || status=1
  return "$status"
}

# remove_cluster TOKEN: the kernel takes the processes along with the first of them, and with the last of them what they
# mounted and linked.
remove_cluster() {
  local token=$1
  end_processes KILL 50 "$token" unshare
  for _ in {1..600}; do
    [[ -e /sys/class/net/$token-k ]] || return 0
    sleep 0.1
  done
  # It may go in this very moment.
  ip link delete "$token-k" 2>/dev/null || [[ ! -e /sys/class/net/$token-k ]]
}

# remove_engine TOKEN: its containers, its processes, its cgroups and its bridge.
remove_engine() {
  local token=$1 path
  # First the containers: the daemon would wait ten seconds for those that ignore TERM.
  kill_containers "$token"
  end_processes TERM 200 "$token" dockerd
  end_processes KILL 50 "$token" dockerd
  end_processes KILL 50 "$token" 'containerd*'
  end_processes KILL 50 "$token" podman
  kill_containers "$token"
  while read -r path; do
    for _ in {1..50}; do
      if rmdir "$path" 2>/dev/null; then break; fi
      sleep 0.1
    done
  done < <(sandbox_cgroups "$token")
  ip link delete "$token" 2>/dev/null || true
}
