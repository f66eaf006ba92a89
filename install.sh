#!/usr/bin/env bash
# Sets printos-agent up from a clone on Debian 12, Raspberry Pi OS or newer; needs Python 3.11 and git.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

readonly NAME=printos-agent
readonly HOME_DIR=/opt/$NAME ETC=/etc/$NAME STATE=/var/lib/$NAME
readonly UNIT=/etc/systemd/system/$NAME.service COMMAND=/usr/local/bin/$NAME
readonly PYTHON=${PYTHON:-python3}

usage() {
  cat <<'USAGE'
usage: ./install.sh demo [OPTION…]      the main job on simulators, with no hardware and no account; --json for machines
       sudo ./install.sh                install the service, or bring it up to date with this clone
       sudo ./install.sh uninstall [--purge]
                                        remove the service; --purge also removes configuration, credentials and jobs
       sudo ./install.sh rotate-key     seal the PrintOS logins with a new key; the old one is deleted
for developers:
       ./install.sh venv EXTRAS         make .venv with these extras, such as demo,dev
       sudo ./install.sh packages NAME… install Debian packages that are missing, without starting their services
USAGE
}

# Standard output belongs to the demo: its last line is for machines.
say() { printf '%s\n' "$*" >&2; }
die() { say "install.sh: $*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }
systemd_runs() { [ -d /run/systemd/system ]; }

# --- Debian packages ------------------------------------------------------------------------------------------------

missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || printf '%s ' "$name"
  done
}

# A package that brings a daemon starts it and enables it; what a demo or a test needs is only the program.
without_daemons() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  "$@"
)

installed_packages() { dpkg-query -W -f '${binary:Package}\n' | sort; }

disable_daemons() {
  local units
  [ $# -gt 0 ] && command -v systemctl >/dev/null || return 0
  units=$(dpkg -L "$@" | sed -nE 's#^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|path))$#\2#p')
  # shellcheck disable=SC2086  # one word a unit
  [ -z "$units" ] || systemctl --quiet disable $units >/dev/null 2>&1 || say "  (some of these start at boot: $units)"
}

packages() {
  local missing before new
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  is_root || die "missing: ${missing% }; run: sudo apt-get install ${missing% }"
  say "installing ${missing% }"
  before=$(installed_packages)
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >&2 || say "  (the package lists could not be brought up to date)"
  # shellcheck disable=SC2086  # one word a package
  without_daemons apt-get -qq install --no-install-recommends $missing >/dev/null ||
    die "apt-get could not install: ${missing% }"
  new=$(comm -13 <(printf '%s\n' "$before") <(installed_packages))
  # shellcheck disable=SC2086
  disable_daemons $new
}

# --- Python ---------------------------------------------------------------------------------------------------------

require_python() {
  command -v "$PYTHON" >/dev/null || die "$PYTHON is missing; run: sudo apt-get install python3"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V)"
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || packages python3-venv
}

# The stamp of a finished installation: what it was made of. It is written last, so a broken one is made again.
stamp() {
  { pwd; "$PYTHON" -V; printf '%s\n' "$1"; cat pyproject.toml constraints.txt; } | sha256sum | cut -d ' ' -f 1
}

pip_install() {
  local venv=$1
  shift
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$@" >&2
}

# Editable, so that the code of a clone is always what runs; only changed dependencies are installed again.
venv() {
  local extras=$1 file=.venv/installed-$1 want
  want=$(stamp "$extras")
  if [ "$(cat "$file" 2>/dev/null)" = "$want" ]; then return; fi
  require_python
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv"
    "$PYTHON" -m venv --clear .venv || die "could not make .venv"
  fi
  say "installing Python packages into .venv"
  pip_install .venv --editable ".[$extras]" || die "pip could not install printos-agent[$extras]"
  printf '%s\n' "$want" >"$file"
}

# --- The demo -------------------------------------------------------------------------------------------------------

# Without Mosquitto the demo has a broker of its own, so a failure to install it stops nothing.
offer_mosquitto() {
  [ -z "$(PATH=$PATH:/usr/sbin command -v mosquitto)" ] || return 0
  if is_root && command -v apt-get >/dev/null; then
    (packages mosquitto) || say "going on without mosquitto, with the demo's own broker (MQTT 3.1.1 only)"
  else
    say "mosquitto is not installed: the demo uses its own broker (MQTT 3.1.1 only)"
  fi
}

demo() {
  venv demo
  offer_mosquitto
  exec .venv/bin/python -m agent demo "$@"
}

# --- The service ----------------------------------------------------------------------------------------------------

require_root() { is_root || die "this needs root; run: sudo ./install.sh${1:+ $1}"; }

make_user() {
  getent passwd "$NAME" >/dev/null && return
  say "making the user $NAME"
  useradd --system --user-group --no-create-home --home-dir "$STATE" --shell /usr/sbin/nologin "$NAME"
}

make_configuration() {
  install -d -m 755 "$ETC"
  if [ ! -e "$ETC/agent.toml" ]; then
    install -m 640 -g "$NAME" agent.toml.example "$ETC/agent.toml"
  fi
  if [ ! -e "$ETC/seal-key" ]; then
    make_key "$ETC/seal-key.new"
    mv "$ETC/seal-key.new" "$ETC/seal-key"
  fi
}

make_key() {
  (umask 077 && head -c 32 /dev/urandom | base64 -w 0 >"$1")
  sync "$1"
}

# Each installation has a folder of its own, and `current` turns to it in one step: what runs is never half of one.
make_release() {
  local release
  release=$HOME_DIR/$(date +%Y%m%d-%H%M%S)
  say "installing into $release"
  install -d -m 755 "$HOME_DIR"
  "$PYTHON" -m venv "$release" || die "could not make $release"
  pip_install "$release" . || { rm -rf "$release"; die "pip could not install $NAME; nothing was changed"; }
  "$release/bin/$NAME" --version >&2 || { rm -rf "$release"; die "$NAME does not run here; nothing was changed"; }
  ln -sfn "$release" "$HOME_DIR/next"
  mv -T "$HOME_DIR/next" "$HOME_DIR/current"
  ln -sfn "$HOME_DIR/current/bin/$NAME" "$COMMAND"
}

remove_old_releases() {
  find "$HOME_DIR" -mindepth 1 -maxdepth 1 -type d ! -path "$(readlink -f "$HOME_DIR/current")" -exec rm -rf {} +
}

start_service() {
  install -m 644 "systemd/$NAME.service" "$UNIT"
  if ! systemd_runs; then
    say "systemd does not run here: nothing is started; by hand: $COMMAND --config $ETC/agent.toml run"
    return
  fi
  systemctl daemon-reload
  systemctl --quiet enable "$NAME"
  if ! systemctl restart "$NAME"; then
    journalctl --no-pager -u "$NAME" -n 10 -o cat >&2
    die "the service did not start: see above"
  fi
  say "the service runs:"
  "$COMMAND" status >&2 || say "(it does not answer yet; ask it again: $NAME status)"
}

service() {
  require_root
  require_python
  make_user
  make_configuration
  make_release
  start_service
  remove_old_releases
  cat >&2 <<NEXT

What to do next (docs/operating.md has the whole story):
  1. edit $ETC/agent.toml: the broker's host under [mqtt], then: sudo systemctl restart $NAME
  2. sudo $NAME printers             the printers that were found
  3. sudo $NAME printers approve ID  then: sudo $NAME activate, for PrintOS
  4. sudo $NAME doctor               tests all of it, and says what to do about what is wrong
NEXT
}

# Until the agent has sealed everything anew, the old key is there beside the new one; broken off anywhere, the next run
# goes on from there.
rotate_key() {
  local sealed
  require_root rotate-key
  grep -qs seal-key-old "$UNIT" || die "the service is not installed, or too old; run: sudo ./install.sh"
  if [ ! -e "$ETC/seal-key-old" ] || cmp -s "$ETC/seal-key" "$ETC/seal-key-old"; then
    make_key "$ETC/seal-key.new"
    ln -f "$ETC/seal-key" "$ETC/seal-key-old"
    sync "$ETC"
    mv "$ETC/seal-key.new" "$ETC/seal-key"
  fi
  sync "$ETC"
  systemctl restart "$NAME" || die "the service did not start; both keys are kept, so run this again when it does"
  sealed=$("$COMMAND" credentials --json) || die "the service does not answer; both keys are kept, so run this again"
  case $sealed in
    *'"older"'*) die "not everything is sealed anew, the service's log says why; both keys are kept, so run this again" ;;
  esac
  rm "$ETC/seal-key-old"
  say "the key is new, and the old one is deleted"
}

uninstall() {
  require_root uninstall
  if systemd_runs; then systemctl --quiet disable --now "$NAME" 2>/dev/null || say "(the service was not installed)"; fi
  rm -rf "$UNIT" "$COMMAND" "$HOME_DIR"
  if systemd_runs; then systemctl daemon-reload; fi
  if [ "${1:-}" != --purge ]; then
    say "removed; configuration and jobs are still in $ETC and $STATE (uninstall --purge removes them too)"
    return
  fi
  rm -rf "$ETC" "$STATE" "$STATE-devices"
  if getent passwd "$NAME" >/dev/null; then userdel "$NAME"; fi
  say "removed, with configuration, credentials and jobs"
}

main() {
  local what=${1:-service}
  [ $# = 0 ] || shift
  case $what in
    demo) demo "$@" ;;
    venv | packages) [ $# -gt 0 ] || { usage >&2; exit 2; }; "$what" "$@" ;;
    -h | --help) usage ;;
    rotate-key) [ $# = 0 ] || { usage >&2; exit 2; }; rotate_key ;;
    service) [ $# = 0 ] || { usage >&2; exit 2; }; service ;;
    uninstall)
      case "$#:${1:-}" in 0: | 1:--purge) uninstall "$@" ;; *) usage >&2; exit 2 ;; esac ;;
    *) usage >&2; exit 2 ;;
  esac
}

main "$@"; exit  # a script that `git pull` changes meanwhile is not read on
