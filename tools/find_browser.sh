#!/bin/sh
# The two browsers of the tests: found, installed, or the one command that installs them.
find() {
    for name in "$@"; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}
missing=""
find "$CHROMIUM" chromium-headless-shell chromium chromium-browser google-chrome || missing=" chromium-headless-shell"
find "$FIREFOX" firefox-esr firefox || missing="$missing firefox-esr"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the browser tests:$missing"
    # shellcheck disable=SC2086 -- a list of names
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing && exit 0
fi
echo "The browser tests need Chromium and Firefox. Install what is missing with:  sudo apt-get install -y$missing" >&2
echo "(or name others: make test CHROMIUM=/path/to/chrome FIREFOX=/path/to/firefox)" >&2
# Under CI a missing browser is a failure; on a reader's machine the other tests still run.
[ "$CI" != true ]
