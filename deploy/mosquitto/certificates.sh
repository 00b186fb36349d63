#!/usr/bin/env bash
# Makes a small certificate authority and certificates for a broker, a collector and sites.
#
#   certificates.sh FOLDER BROKER-HOST SITE...
#
# FOLDER/ca.crt goes everywhere, ca.key nowhere. A site's certificate has the site's id as its common
# name: by that name the broker's access list knows it. What exists already is kept.
set -euo pipefail

[ $# -ge 3 ] || { echo "usage: certificates.sh FOLDER BROKER-HOST SITE..." >&2; exit 2; }
folder=$1 host=$2
shift 2
umask 077
mkdir -p "$folder"
cd "$folder"

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

if [ ! -e ca.key ]; then
    key ca.key
    openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=silkline authority" -out ca.crt
fi

certificate() { # NAME COMMON-NAME EXTENSIONS
    [ -e "$1.crt" ] && return
    key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$2" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -out "$1.crt" \
            -extfile <(printf '%s\n' "basicConstraints=CA:FALSE" "$3") 2>/dev/null
}

case "$host" in
    *[!0-9.]*) names="DNS:$host" ;;
    *)         names="IP:$host" ;;
esac
certificate broker "$host" "subjectAltName=$names
extendedKeyUsage=serverAuth"
for site in collector "$@"; do
    certificate "$site" "$site" "subjectAltName=DNS:$site
extendedKeyUsage=clientAuth"
done
