# shellcheck shell=bash
# Shared by images/make, the scripts in images/layers, tests/run and examples/try; sourced, never run.

# Without it a failure inside `$(...)` goes unseen by `set -e`.
shopt -s inherit_errexit

# What programs say is read, so they say it untranslated.
export LC_ALL=C.UTF-8 LANGUAGE=

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# pack DIR FILE: the tree below DIR as a tar that depends on its content alone.
pack() {
  tar --create --file "$2" --directory "$1" --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 .
}

# layer KEY_COMMAND WRITE_COMMAND "$@": what every layer script answers to.
#   key         prints what the layer's content depends on
#   write FILE  writes the layer as a tar
layer() {
  case ${3-} in
    key) cat "$0" && "$1" ;;
    write) "$2" "${4:?the file to write}" ;;
    *) die "usage: $0 key | write FILE" ;;
  esac
}

# The name containers have for this machine's processor.
architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
  esac
}

# Where cargo builds, as its configuration and environment say.
target_directory() {
  cargo metadata --manifest-path "$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml" --locked --no-deps --format-version 1 |
    sed -E 's/.*"target_directory":"([^"]*)".*/\1/'
}
