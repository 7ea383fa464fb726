#!/bin/sh
# Shows requests of ours to the reference libraries of Standard Webhooks and CloudEvents.
#
#   tests/scripts/interop.sh FILE
#
# FILE holds the requests, as the test `interop` writes them. The libraries live in an environment of their own in the
# target directory, which is made the first time and needs python3, npm and their package indexes then.
set -eu
cd "$(dirname "$0")/../.."
environment=${CARGO_TARGET_DIR:-target}/interop
libraries="standardwebhooks==1.1.0 cloudevents==2.2.0"
# The one for Python cannot read batches.
node_libraries="cloudevents@10.0.0"

if [ "$(cat "$environment/installed" 2>/dev/null)" != "$libraries $node_libraries" ]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    # shellcheck disable=SC2086 # one word a library
    "$environment/bin/pip" install --quiet --disable-pip-version-check $libraries >&2
    npm install --silent --no-audit --no-fund --no-save --prefix "$environment" "$node_libraries" >&2
    echo "$libraries $node_libraries" > "$environment/installed"
fi
NODE_PATH="$environment/node_modules" node tests/scripts/interop.cjs "$1" >&2
exec "$environment/bin/python" tests/scripts/interop.py "$1"
