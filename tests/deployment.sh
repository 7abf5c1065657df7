#!/usr/bin/env bash
# What is in docs/deploy, held against those who read it: containers started for real, the unit judged by systemd, the manifest by
# Kubernetes' own schemas. Whatever is missing on this machine is skipped, and said to be.
#
#   tests/deployment.sh target/release/phalanx
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1")

tests/containers.py "$binary"

unit=docs/deploy/systemd/phalanx-broker.service
if command -v systemd-analyze >/dev/null; then
    # It looks for the binary where the unit says, so a copy of the unit says where it is.
    copy=target/phalanx-broker.service
    sed "s|/usr/local/bin/phalanx|$binary|" "$unit" >"$copy"
    said=$(systemd-analyze verify "$copy" 2>&1) || { echo "$said"; exit 1; }
    [ -z "$said" ] || { echo "$said"; exit 1; }
    echo "systemd finds nothing wrong with $unit"
else
    echo "skipped: no systemd-analyze to judge $unit"
fi

manifest=docs/deploy/kubernetes/phalanx.yaml
venv=target/kubernetes-validate
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet kubernetes-validate; } >/dev/null 2>&1 || true
fi
if [ -x "$venv/bin/kubernetes-validate" ]; then
    # cert-manager's kinds are not Kubernetes' own.
    "$venv/bin/kubernetes-validate" "$manifest" 2>&1 | grep -v "Couldn't find schema for kind .* cert-manager.io" |
        { ! grep -v " passed for resource "; } || exit 1
    echo "Kubernetes' schemas find nothing wrong with $manifest"
else
    echo "skipped: kubernetes-validate cannot be installed to judge $manifest"
fi
