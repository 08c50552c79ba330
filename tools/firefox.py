"""The Firefox of this machine, without a way out."""

from __future__ import annotations

import os
import shutil

NAMES = ("firefox-esr", "firefox")
# Every address but this machine's own goes to a proxy that is not there.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1",
}


def firefox_path() -> str | None:
    """Where the browser is; FIREFOX names another one."""
    wanted = filter(None, (os.environ.get("FIREFOX"), *NAMES))
    return next(filter(None, map(shutil.which, wanted)), None)
