#!/usr/bin/env bash
# Brings a Debian-like machine with Rust and Node to where silkline builds, runs and is tested.
# Quiet when there is nothing to do; says what it does while it does it.
#
#   setup.sh demo       what `make demo` needs
#   setup.sh test       that, and the real servers that the stories run against
#   setup.sh check      what `make check` needs: cargo-deny
#   setup.sh say-build  one line before a build that will take minutes
set -euo pipefail
cd "$(dirname "$0")/.."

# The HTTP stack of the InfluxDB client links OpenSSL; SQLite is compiled from its source.
demo_packages=(gcc libc6-dev make pkg-config libssl-dev)
test_packages=("${demo_packages[@]}" mosquitto mosquitto-clients snmpd snmp victoria-metrics
               chromium python3-aiosmtpd openssl fonts-dejavu-core curl libmodbus-dev
               prometheus-alertmanager prometheus influxdb)

missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Debian starts a server as soon as it is installed. Ours are started by each test, on a free
# loopback port, so nothing may start here.
forbid_services() {
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
    trap '$sudo rm -f "$policy"' EXIT
}

install() {
    local packages
    packages=$(missing "$@")
    [ -z "$packages" ] && return
    if ! command -v apt-get >/dev/null; then
        echo "set-up: please install by your own package manager:" $packages >&2
        exit 69
    fi
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    echo "set-up: installing" $packages
    forbid_services
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages is meant
    $sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

need() {
    command -v "$1" >/dev/null && return
    echo "set-up: $1 is missing: $2" >&2
    exit 69
}

# Two readers of SOR files by other people, in a virtual environment of their own: what we write has
# to be read by them; and what the script needs that the agent is measured against. Tests and benches
# that want them are skipped where they can't be had.
peers() {
    local folder=target/peers wanted="pyotdr==2.1.1 otdrparser==0.2.3 pymodbus==3.16.1 paho-mqtt==2.2.0"
    [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return
    echo "set-up: fetching pyOTDR, otdrparser, pymodbus and paho, for tests and benches"
    mkdir -p target
    # shellcheck disable=SC2086 # several packages are meant
    if python3 -m venv --clear "$folder" >/dev/null 2>&1 &&
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 \
            --timeout 20 $wanted >/dev/null 2>&1; then
        echo "$wanted" >"$folder/installed"
    else
        echo "set-up: they can't be had here, so what is held against them is skipped"
    fi
}

# A real identity provider that stories sign in by. Skipped where it can't be had.
provider() {
    local folder=tests/provider
    cmp -s "$folder/package-lock.json" "$folder/node_modules/.of" && return
    echo "set-up: fetching the identity provider oidc-provider"
    if npm --prefix "$folder" ci --loglevel error --no-audit --no-fund >/dev/null 2>&1; then
        cp "$folder/package-lock.json" "$folder/node_modules/.of"
    else
        echo "set-up: it can't be had here, so the story that signs in by it is skipped"
    fi
}

# Debian keeps a part of Python's virtual environments in a package of its own.
venv_package() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

need cargo "install Rust 1.90 or newer"
need npm "install Node 20 or newer"

case "${1:-}" in
    demo) install "${demo_packages[@]}" ;;
    test)
        # shellcheck disable=SC2046 # one package or none
        install "${test_packages[@]}" $(venv_package)
        peers
        provider
        ;;
    check)
        install "${demo_packages[@]}"
        if ! cargo deny --version >/dev/null 2>&1; then
            echo "set-up: building cargo-deny, which checks licences and sources (a few minutes)"
            cargo install --quiet --locked cargo-deny
        fi
        ;;
    say-build)
        if [ ! -x target/debug/silkline-sim ]; then
            echo "building: the first time takes a few minutes"
        fi
        ;;
    *)
        echo "usage: setup.sh demo|test|check|say-build" >&2
        exit 2
        ;;
esac
