# shellcheck shell=bash
# Brings what a fresh machine lacks: Node 24, the npm packages, the build. Sourced by the scripts beside it.
#
# Guarantees: one line says what is being done; what is there already is left alone; nothing outside the checkout is
# changed, except Debian packages when the user is root and a needed one is missing.

readonly NODE_MAJOR=24
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

say() { printf '» %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

# need_packages NAME... : installs the Debian packages among these that are missing, without starting a daemon.
need_packages() {
  local name missing=()
  for name in "$@"; do
    is_installed "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "this is not a Debian machine; install by hand: ${missing[*]}"
  [ "$(id -u)" = 0 ] || fail "Debian packages are missing and only root can install them: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  update_package_lists
  # --no-remove: Debian's mail servers exclude one another, and a machine's own must not vanish for a test.
  without_daemons quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=120 "${missing[@]}"
}

update_package_lists() {
  [ -z "${package_lists_are_fresh:-}" ] || return 0
  quietly apt-get update
  package_lists_are_fresh=yes
}

# Runs a command while invoke-rc.d is told to start nothing; an operator's own policy is left in place.
without_daemons() (
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  "$@"
)

# Shows the output of a command only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || {
    printf '%s\n' "$output" >&2
    fail "this failed: $*"
  }
}

node_is_recent() {
  command -v node >/dev/null &&
    [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge "$NODE_MAJOR" ]
}

# Node 24 comes from the npm registry into .node/, beside node_modules: `npm ci` would empty that.
bring_node() {
  command -v npm >/dev/null || need_packages npm
  node_is_recent && return 0
  local architecture package
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) architecture=x64 ;;
    Linux-aarch64) architecture=arm64 ;;
    *) fail "Node $NODE_MAJOR or later is needed and cannot be brought to this kind of machine; install it by hand" ;;
  esac
  package=node-linux-$architecture
  export PATH="$PWD/.node/node_modules/$package/bin:$PATH"
  node_is_recent && return 0
  say "bringing Node $NODE_MAJOR into .node/ (this machine has $(node --version 2>/dev/null || echo none))"
  quietly npm install --no-save --ignore-scripts --no-audit --no-fund --prefix .node "$package@$NODE_MAJOR"
  hash -r
  node_is_recent || fail "Node $NODE_MAJOR was fetched into .node/ but does not run here"
}

# npm writes node_modules/.package-lock.json at the end of an installation, so its age tells what is installed.
bring_dependencies() {
  [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ] || return 0
  say 'installing the npm packages (npm ci)'
  quietly npm ci --no-audit --no-fund
}

build() {
  say 'building (npm run build)'
  quietly npm run --silent build
}
