"""A browser without a window, which opens a page and measures it."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

#: Seconds after which the browser hangs.
DEADLINE = 60
_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
]


def chromium() -> str:
    """Path of the browser; skips the test without one, or fails it under CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    if os.environ.get("CI"):
        pytest.fail("Chromium is missing: install the package chromium.")
    pytest.skip("Chromium is not installed")


def measure(page: Path, folder: Path, script: str, *, width: int, dark: bool = False) -> Any:
    """What the body of a function makes of the page's `document` and its `view` (the window).

    The page is in a frame `width` pixels wide, so that a policy of its own stops no measuring.
    """
    outside = folder / f"outside-{width}-{dark}.html"
    outside.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><iframe id="page" src="{page.as_uri()}" '
        f'style="width:{width}px;height:800px;border:0"></iframe><pre id="found"></pre><script>'
        "function measured(view, document) {" + script + "}\n"
        "window.onload = () => { let found; const view = page.contentWindow;"
        "try { found = {ok: measured(view, view.document)}; }"
        "catch (error) { found = {error: String(error)}; }"
        "document.getElementById('found').textContent = JSON.stringify(found); }</script>",
        encoding="utf-8",
    )
    options = [*_OPTIONS, f"--user-data-dir={folder / f'profile-{width}-{dark}'}"]
    options += ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [chromium(), *options, "--window-size=1400,900", "--dump-dom", outside.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True)
    shown = re.search('<pre id="found">(.*)</pre>', done.stdout.decode(), re.DOTALL)
    assert shown, done.stdout[:2000]
    found = json.loads(html.unescape(shown[1]))
    assert "ok" in found, found
    return found["ok"]
