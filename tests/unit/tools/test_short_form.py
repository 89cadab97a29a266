# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The default run has a part of a matrix with the marker ``short_form``; a soak run has the rest."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
TESTS = """
import pytest

@pytest.mark.short_form
@pytest.mark.parametrize("letter", "abc")
@pytest.mark.parametrize("number", range(4))
def test_choice(letter, number): pass

@pytest.mark.short_form(3)
@pytest.mark.parametrize("number", range(9))
def test_count(number): pass

@pytest.mark.short_form(key=lambda number: number % 2)
@pytest.mark.parametrize("number", [2, 4, 5, 6, 7])
def test_key(number): pass

@pytest.mark.short_form(1)
@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.soak), 2,
    pytest.param(3, marks=pytest.mark.vm), 4])
def test_tiers(number): pass

@pytest.mark.parametrize("number", range(2))
def test_without(number): pass
"""
WRONG = [
    ("short_form", "def test_it(): pass", "short_form expects a test with parameters"),
    ("short_form(0)", "", "expected a positive number or a key, not 0"),
    ("short_form(2, key=str)", "", "expected a positive number or a key, not 2"),
    ("short_form(number=2)", "", "unexpected keyword argument 'number'"),
]


def collect(folder: pathlib.Path, tests: str, *options: str) -> tuple[set[str], str]:
    """Return the collected tests of a new pytest process, and the output."""
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers\nmarkers =\n    soak\n    vm\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.short_form", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [*command, "--collect-only", "-q", *options],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    return set(re.findall(r"^test_it\.py::test_(.*)$", done.stdout, re.MULTILINE)), done.stdout


def test_the_default_run_and_the_soak_run_have_all_tests(tmp_path):
    """The default run has each value of each parameter, a spread number, or each value of a key."""
    default, _ = collect(tmp_path, TESTS, "-m", "not soak")
    assert default == {
        *("choice[0-a]", "choice[1-b]", "choice[2-c]", "choice[3-a]"),
        *("count[0]", "count[3]", "count[6]"),
        *("key[2]", "key[5]"),
        *("tiers[2]", "tiers[3]"),
        *("without[0]", "without[1]"),
    }
    soak, _ = collect(tmp_path, TESTS, "-m", "soak")
    everything, _ = collect(tmp_path, TESTS)
    assert not default & soak
    assert default | soak == everything
    assert len(everything) == 12 + 9 + 5 + 4 + 2


def test_a_test_that_is_named_runs(tmp_path):
    """A run of one test depends on no tier."""
    found, _ = collect(tmp_path, TESTS, "-m", "not soak", "test_it.py::test_count[5]")
    assert found == {"count[5]"}


@pytest.mark.parametrize(("marker", "function", "said"), WRONG)
def test_a_wrong_marker_is_an_error(tmp_path, marker, function, said):
    """The error names the test."""
    function = function or "@pytest.mark.parametrize('n', [1, 2])\ndef test_it(n): pass"
    _, output = collect(tmp_path, f"import pytest\n@pytest.mark.{marker}\n{function}\n")
    assert re.search(rf"ERROR: test_it\.py::test_it.*{re.escape(said)}", output), output
