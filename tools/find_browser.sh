#!/bin/sh
# Chromium for the browser tests: found, installed, or the one command that installs it.
for name in "$CHROMIUM" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium && exit 0
fi
echo "The browser tests need Chromium. Install it with:  sudo apt-get install -y chromium" >&2
echo "(or name another one: make test CHROMIUM=/path/to/chrome)" >&2
# Under CI a missing browser is a failure; on a reader's machine the other tests still run.
[ "$CI" != true ]
