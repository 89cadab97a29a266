# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Packages of plugins, installed for a test without the network, and their own tests."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from testbed import environments


def run_own_tests(package: pathlib.Path, site: pathlib.Path, *arguments: str) -> str:
    """Install a package with pip, and run the tests of the package; return the output.

    :param package: the source of the package, in which pip may write.
    :param site: the directory to install into.
    :param arguments: further arguments of pytest.
    """
    clean = environments.without_python_settings(os.environ)
    pip = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", site]
    subprocess.run([*pip, *offline, package], check=True, env=clean)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=package,
        env=clean | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
