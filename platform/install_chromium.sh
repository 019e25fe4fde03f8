#!/bin/sh
# The demonstration and the browser tests drive a real Chromium. Take the one that is there, or install the system's package.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ -n "${TILTH_CHROMIUM:-}" ] && [ -x "$TILTH_CHROMIUM" ]; then exit 0; fi
echo "Installing Chromium, which the demonstration and the browser tests drive"
if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq chromium >/dev/null
else
    echo "Install Chromium with your system's package manager, or set TILTH_CHROMIUM=/path/to/chromium" >&2
    exit 1
fi
