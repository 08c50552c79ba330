"""The Chromium of this machine, without a way out."""

from __future__ import annotations

import os
import shutil

# The shell has no windows to draw: a visit to a page takes two fifths of the processor's time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Its sandbox needs a user that is not root; names other than this machine's own lead nowhere.
ARGUMENTS = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def chromium_path() -> str | None:
    """Where the browser is; CHROMIUM names another one."""
    wanted = filter(None, (os.environ.get("CHROMIUM"), *NAMES))
    return next(filter(None, map(shutil.which, wanted)), None)
