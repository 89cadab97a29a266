# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every test runs in some tier: the environments of tox.ini, taken together."""

from __future__ import annotations

import ast
import configparser
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TIERS = ("testenv", "testenv:interop", "testenv:vm", "testenv:soak")


def collected(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 5}, done.stdout
    return {line for line in done.stdout.splitlines() if "::" in line}


def command(tier: str) -> list[str]:
    """The arguments of pytest in an environment of tox.ini."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    line = re.sub(r"\{posargs:?(.*?)\}", r"\1", tox[tier]["commands"])
    program, *arguments = shlex.split(line)
    assert program == "pytest"
    return arguments


def test_every_test_runs_in_some_tier():
    """None is left out by the markers and paths of all of them."""
    run = set().union(*(collected(*command(tier)) for tier in TIERS))
    assert collected("tests") - run == set()


def test_every_file_with_tests_is_collected():
    """Pytest looks at test_*.py alone."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    hidden = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if not path.name.startswith("test_")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, functions) and node.name.startswith("test_")
    ]
    assert hidden == []


def test_no_test_is_skipped_whatever_the_machine():
    """``@pytest.mark.skip`` has no condition."""
    marked = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if re.search(r"@pytest\.mark\.skip\b(?!if)", path.read_text(encoding="utf-8"))
        and path != pathlib.Path(__file__)
    ]
    assert marked == []


@pytest.mark.parametrize(
    ("body", "outcome", "said"),
    [
        ("pytest.skip('this kernel lacks it')", "failed", "no scenario of tests/vm runs it"),
        ("pytest.skip('there is no git')", "skipped", ""),
        ("assert True", "passed", ""),
    ],
)
def test_a_skip_for_the_kernel_s_sake_needs_a_scenario(tmp_path, body, outcome, said):
    """Else nothing would run it anywhere."""
    path = tmp_path / "test_it.py"
    path.write_text(f"import pytest\ndef test_it():\n    {body}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.vm.plugin", "-p", "no:cacheprovider", path],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"1 {outcome}" in done.stdout
    assert said in done.stdout


def test_a_scenario_that_does_not_exist_is_refused(tmp_path):
    """When the tests are collected."""
    path = tmp_path / "test_it.py"
    path.write_text("import pytest\n@pytest.mark.vm('cloud')\ndef test_it():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.vm.plugin", "-p", "no:cacheprovider", path],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "is none of the scenarios plain, netdevsim, igb, vfio" in done.stderr
