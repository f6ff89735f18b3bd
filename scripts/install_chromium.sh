#!/usr/bin/env bash
# Installs Debian's chromium for the tests of the page (tests/browser), where that may be done: as root, with apt.
# Elsewhere it says how to get one; the tests are skipped then, and nothing fails here.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done

without() { echo "without a Chromium ($1): the tests of the page are skipped; to have them: apt-get install chromium" >&2; }

if ! command -v apt-get >/dev/null; then
    without "there is no apt-get"
elif [ "$(id -u)" -ne 0 ]; then
    without "this is not root"
else
    log=$(mktemp)
    echo "installing Debian's chromium for the tests of the page" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1 ||
        { tail -n 5 "$log" >&2 && without "apt-get could not install it"; }
    rm -f "$log"
fi
