# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests of the documentation in a browser: ``tox -e docs-browser``.

The tests need Chromium, its driver, and the Python packages of doc/requirements.txt and Selenium.
Without the programs a test is skipped; if ``OS_VIF_BROWSER`` is ``require``, as in tox, the test
fails.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
MODULES = {
    "furo": "furo",
    "reno": "reno",
    "selenium": "selenium",
    "sphinx": "sphinx",
    "sphinx_copybutton": "sphinx-copybutton",
}


def missing() -> str:
    """Return how to install the programs and packages that are missing, or an empty text."""
    packages = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    modules = [package for name, package in MODULES.items() if not importlib.util.find_spec(name)]
    commands = [
        f"{command} {' '.join(names)}"
        for command, names in (("apt-get install", packages), ("pip install", modules))
        if names
    ]
    return " and ".join(commands)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Build the documentation and serve it; return the address of the site."""
    if todo := missing():
        reason = f"the documentation cannot be opened in a browser: run {todo}"
        if os.environ.get("OS_VIF_BROWSER") == "require":
            pytest.fail(reason)
        pytest.skip(reason)
    html = ROOT / "doc" / "build" / "browser"
    _build(html)
    handler = functools.partial(_SilentHandler, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _build(html: pathlib.Path) -> None:
    """Build the pages that changed since the last build, or all pages after a change of doc/ext."""
    source = ROOT / "doc" / "source"
    programs = [source / "conf.py", *sorted((ROOT / "doc" / "ext").glob("*.py"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in programs)).hexdigest()
    stamp = html / "programs.sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(html, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", source, html],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        # The next build would not repeat the warnings.
        shutil.rmtree(html, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    stamp.write_text(digest)


class _SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http
        """Write no line for a request."""


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[object]:
    """Start Chromium without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_page_load_timeout(60)
        yield driver
