# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Hypothesis tries the same examples in each run, unless a seed is given."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEST = """
from hypothesis import given, settings, strategies as st

@settings(max_examples=20, database=None)
@given(st.integers())
def test_example(number):
    with open("log", "a") as file:
        print(number, file=file)
"""


def examples(folder: pathlib.Path, *options: str) -> str:
    """Return the numbers that Hypothesis gives to a test in a new process."""
    (folder / "test_it.py").write_text(TEST)
    (folder / "log").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [*command, *options, "test_it.py"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout
    return (folder / "log").read_text()


def test_examples_are_the_same_in_each_run(tmp_path):
    assert examples(tmp_path) == examples(tmp_path)


@pytest.mark.parametrize("ci_service", [False, True])
def test_a_seed_chooses_other_examples(tmp_path, monkeypatch, ci_service):
    if ci_service:
        monkeypatch.setenv("CI", "true")
    first = examples(tmp_path, "--hypothesis-seed=1")
    assert first == examples(tmp_path, "--hypothesis-seed=1")
    assert first != examples(tmp_path, "--hypothesis-seed=2")
