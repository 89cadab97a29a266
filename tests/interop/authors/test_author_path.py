# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The path of a plugin author from an empty directory to a plugged VIF: ``tools/author_path.sh``."""

from __future__ import annotations

import os
import subprocess

import pytest

from testbed import environments
from testbed.environments import CHECKOUT


@pytest.mark.interop
def test_a_new_plugin_passes_its_tests_and_plugs_in_a_fresh_environment(tmp_path):
    """ruff, mypy, the tests with the conformance suite, and the command os-vif with the plugin."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the command plugs a VIF")
    done = subprocess.run(
        [CHECKOUT / "tools" / "author_path.sh", tmp_path / "author", "two_words"],
        env=environments.without_python_settings(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "All checks passed!",
        "Success: no issues found in",
        "5 passed",
        "tap11111111-22",
    ):
        assert line in done.stdout
    assert done.stdout.splitlines()[-1].startswith("The plugin two_words is complete: ")
