#!/usr/bin/env bash
# Asks a running node everything its OpenAPI document promises, and more: no answer may be a 5xx, none may differ from the document.
# schemathesis comes from PyPI into target/schemathesis; where it cannot, this says so and is skipped.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

binary=${PHALANX:-$root/target/debug/phalanx}
venv=$root/target/schemathesis
if ! [ -x "$venv/bin/schemathesis" ]; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'; } >/dev/null 2>&1 || {
        rm -rf "$venv"
        echo "skipped: schemathesis could not be installed"
        exit 0
    }
fi

dir=$(mktemp -d)
trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; rm -rf "$dir"' EXIT
# It writes what it found beside itself.
cd "$dir"
token=$(openssl rand -hex 32)
node=
"$binary" certs dev "$dir/certs" --format json >"$dir/made"
chain=$(ls "$dir"/certs/*.pem | head -n 1)
key=$(ls "$dir"/certs/*.key | head -n 1)
ZEEBE_BROKER_NETWORK_SECURITY_ENABLED=true ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH=$chain \
    ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH=$key \
    MANAGEMENT_SERVER_PORT=0 MANAGEMENT_SERVER_TOKEN=$token ZEEBE_BROKER_NETWORK_HOST=127.0.0.1 ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT=0 \
    "$binary" broker --log-format json 2>"$dir/log" &
node=$!
url=
for _ in $(seq 600); do
    url=$(sed -n 's/.*"management":"\([^"]*\)".*/http:\/\/\1/p' "$dir/log" | head -n 1)
    [ -n "$url" ] && break
    kill -0 "$node" || { cat "$dir/log"; exit 1; }
    sleep 0.1
done
[ -n "$url" ] || { cat "$dir/log"; echo "the node did not start"; exit 1; }

# A stream of events has no end, and a node that has left answers nothing more.
"$venv/bin/schemathesis" run "$url/openapi.json" --header "Authorization: Bearer $token" \
    --exclude-path /events --exclude-path /leave --max-examples 25 --seed 1 --no-color \
    --exclude-checks unsupported_method,ignored_auth,positive_data_acceptance

status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
expect() {
    local wanted=$1
    shift
    local got
    got=$(status "$@")
    [ "$got" = "$wanted" ] || { echo "$* answers $got, not $wanted"; exit 1; }
}
auth=(-H "Authorization: Bearer $token")
expect 200 "${auth[@]}" "$url/members"
expect 401 "$url/members"
expect 401 -H 'Authorization: Bearer wrong' "$url/members"
expect 403 "${auth[@]}" -H 'Origin: https://example.org' "$url/members"
expect 421 "${auth[@]}" -H 'Host: rebound.example' "$url/members"
echo "a wrong token, a foreign origin and a rebound host name are refused"
