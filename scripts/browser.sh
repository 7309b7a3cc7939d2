#!/usr/bin/env bash
# A Chromium for the tests of the report, where there is none: from Debian's packages, so only as root. Debian's comes
# with all libraries that it needs and with security updates; one of a test tool's own would be another download.
set -euo pipefail

for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "the tests of the report need a Chromium: \`apt-get install chromium\`, or set CHROMIUM to the path of one" >&2
    exit 1
fi
timeout 300 apt-get update --quiet
DEBIAN_FRONTEND=noninteractive timeout 900 apt-get install --quiet --yes --no-install-recommends chromium
