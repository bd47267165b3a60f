#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what a fresh machine lacks: Debian packages, Node 24, npm packages. Says what and why before it does it, starts
# no service, changes nothing that is already there.
#
#   scripts/bootstrap.sh         what building and running needs
#   scripts/bootstrap.sh test    also what only tests use
#   scripts/bootstrap.sh servers also what tests against real servers use
set -eu

profile=${1:-run}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

# /sbin holds runc and mkfs on Debian, and is not on an ordinary user's PATH
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    fail "this needs root and there is no sudo here; run as root: $*"
  fi
}

# ---- Debian packages -------------------------------------------------------------------------------------------------

has_command() { command -v "$1" >/dev/null 2>&1; }
has_static_libc() {
  for archive in /usr/lib/*/libc.a /usr/lib/libc.a /usr/lib64/libc.a; do
    if [ -f "$archive" ]; then return 0; fi
  done
  return 1
}
has_rsyslog_tls() {
  for module in /usr/lib/*/rsyslog/lmnsd_gtls.so /usr/lib64/rsyslog/lmnsd_gtls.so; do
    if [ -f "$module" ]; then return 0; fi
  done
  return 1
}
has_postgres() {
  for program in /usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$program" ]; then return 0; fi
  done
  return 1
}

missing=
need() { # package, why, probe…
  package=$1 why=$2
  shift 2
  if "$@"; then return 0; fi
  missing="$missing $package"
  say "missing: $package ($why)"
}

find_missing() {
  missing=
  need runc 'starts the containers that jobs run in' has_command runc
  need gcc 'compiles the static helper in native/' has_command gcc
  need libc6-dev 'the static C library that the helper is linked with' has_static_libc
  need git 'checks out the repository for a job' has_command git
  need mount 'mounts the layers of a sandbox' has_command mount
  need util-linux 'enters and leaves namespaces' has_command unshare
  need e2fsprogs 'makes the size-limited file systems of jobs' has_command mkfs.ext4
  need bash 'the default shell of workflow steps' has_command bash
  if [ "$profile" = servers ]; then
    need golang-go 'builds a current runsc, and what others wrote for logs' has_command go
    need postgresql 'the database whose accounts OpenBao makes in tests' has_postgres
    need python3-pip 'gets OpenBao and moto' test -x /usr/bin/pip3
    need openssl 'certificates of tests' has_command openssl
    need openssh-client 'reads the certificates that OpenBao signs' has_command ssh-keygen
    need iproute2 'makes the network namespace that tests run in' has_command ip
    need skopeo 'transfers images from registries' has_command skopeo
    need umoci 'unpacks images' has_command umoci
  fi
  if [ "$profile" = test ]; then
    need crun 'the second runtime that the driver tests cover' has_command crun
    need uidmap 'maps the subordinate ids of an ordinary user: without root' has_command newuidmap
    need jq 'a step of a test reads its event with it' has_command jq
    need procps 'a step of a test lists processes with it' has_command ps
    need iproute2 'makes the network namespaces that tests run in' has_command ip
    need nginx-light 'the web server that tests of the gate talk to' has_command nginx
    need openssh-server 'the SSH server that they talk to' has_command sshd
    need openssh-client 'a client that must get through the gate' has_command ssh
    need bind9-dnsutils 'the same: dig' has_command dig
    need curl 'the same' has_command curl
    need openssl 'the same, and certificates of tests' has_command openssl
    need strace 'makes system calls fail, for the tests of the log' has_command strace
    need python3-pip 'the same: pip' test -x /usr/bin/pip3
    need rsyslog 'the receiver that the log is exported to in tests' test -x /usr/sbin/rsyslogd
    need rsyslog-gnutls 'the same, over TLS' has_rsyslog_tls
    need mmdebstrap 'makes the Debian image that a test builds twice' has_command mmdebstrap
    need age 'the program that reads the same files as the embedded secret store' has_command age
    need skopeo 'transfers images from registries' has_command skopeo
    need umoci 'unpacks images' has_command umoci
    need golang-go 'the verifier of the log that is not ours' has_command go
    need ca-certificates 'the bundle that a job trusts' test -s /etc/ssl/certs/ca-certificates.crt
  fi
}

# A policy-rc.d that answers 101 keeps maintainer scripts from starting services. One that is there already is the
# administrator's: it stays.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
forbid_services() {
  if [ -e "$policy" ]; then return 0; fi
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}
restore_services() {
  if [ -n "$policy_is_ours" ]; then as_root rm -f "$policy"; fi
  policy_is_ours=
}

# Nor do those that came with what we install start at the next boot.
keep_services_off() {
  has_command systemctl || return 0
  for pair in nginx-light:nginx.service openssh-server:ssh.service rsyslog:rsyslog.service postgresql:postgresql.service; do
    case " $missing " in *" ${pair%%:*} "*) as_root systemctl disable --quiet "${pair#*:}" >&2 || say "could not disable ${pair#*:}" ;; esac
  done
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --quiet \
    -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >&2
}

install_debian_packages() {
  if ! has_command apt-get; then
    say 'this machine has no apt-get; install the above with its own package manager'
    fail 'on Fedora: dnf install runc crun gcc glibc-static git util-linux e2fsprogs bash (then run make again)'
  fi
  say "installing with apt-get:$missing (no service is started)"
  trap restore_services EXIT
  trap 'exit 130' INT TERM HUP
  forbid_services
  # shellcheck disable=SC2086 # a list of package names
  if ! apt_install $missing; then
    say 'the package lists may be old: apt-get update, and once more'
    as_root apt-get update --quiet >&2
    # shellcheck disable=SC2086
    apt_install $missing || fail "apt-get could not install:$missing"
  fi
  restore_services
  trap - EXIT INT TERM HUP
  keep_services_off
  find_missing
  [ -z "$missing" ] || fail "still missing after apt-get:$missing"
}

find_missing
[ -z "$missing" ] || install_debian_packages

# ---- Node 24 and npm packages ----------------------------------------------------------------------------------------

stamp=node_modules/.sallyport-lock.json
. scripts/node.sh
if [ -n "$node" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi

has_command npm || fail 'npm is missing; install Node.js with npm (any Node from 18), then run make again'
npm_ci() { npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$@" >&2; }

# npm leaves out optional packages whose "engines" do not fit the Node that it runs on. Under an older Node that would be
# the linters' binaries, so Node 24 comes first, alone, with the hash that package-lock.json pins.
if [ -z "$node" ]; then
  say 'installing Node 24 from its npm package (the node here is older)'
  node scripts/node-only-lock.cjs build/toolchain
  npm_ci --prefix build/toolchain
  for node in "$root"/build/toolchain/node_modules/node-linux-*/bin/node; do break; done
  [ -x "$node" ] || fail "there is no Node 24 package for this processor ($(uname -m)); put a node of version 24 or newer on PATH"
fi

say 'installing npm packages (node_modules is missing or older than package-lock.json)'
# npm ci empties node_modules first, which may hold the very node that it runs on: a program that is running keeps its file
PATH=${node%/*}:$PATH npm_ci
rm -rf build/toolchain

. scripts/node.sh
[ -n "$node" ] || fail 'npm installed no Node 24 for this processor; put a node of version 24 or newer on PATH'
cp package-lock.json "$stamp"
