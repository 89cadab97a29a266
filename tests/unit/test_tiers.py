# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugin for virtual machines refuses tests that would run nowhere."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from testbed.vm.scenarios import SCENARIOS

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("body", "outcome", "said"),
    [
        ("pytest.skip('this kernel lacks it')", "failed", "no scenario of tests/vm runs it"),
        ("pytest.skip('there is no git')", "skipped", ""),
        ("assert True", "passed", ""),
    ],
)
def test_a_skip_for_the_kernel_s_sake_needs_a_scenario(tmp_path, body, outcome, said):
    """Without a scenario, a test that needs another kernel would run on no machine."""
    path = tmp_path / "test_it.py"
    path.write_text(f"import pytest\ndef test_it():\n    {body}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.vm.plugin", "-p", "no:cacheprovider", path],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"1 {outcome}" in done.stdout
    assert said in done.stdout


def test_a_scenario_that_does_not_exist_is_refused(tmp_path):
    """The collection fails and lists the scenarios."""
    path = tmp_path / "test_it.py"
    path.write_text("import pytest\n@pytest.mark.vm('cloud')\ndef test_it():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.vm.plugin", "-p", "no:cacheprovider", path],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert f"is none of the scenarios {', '.join(SCENARIOS)}" in done.stderr
