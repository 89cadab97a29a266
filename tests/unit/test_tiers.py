# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every test runs in some tier: the environments of tox.ini, taken together."""

from __future__ import annotations

import argparse
import ast
import collections
import configparser
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TIERS = ("testenv", "testenv:interop", "testenv:vm", "testenv:soak")


#: Collect all tests once, and print the markers of each.
COLLECT = """
import json, sys, pytest
class Listing:
    def pytest_collection_finish(self, session):
        self.found = {i.nodeid: [m.name for m in i.iter_markers()] for i in session.items}
listing = Listing()
code = pytest.main(["--collect-only", "-q", "tests"], plugins=[listing])
print(json.dumps(listing.found))
sys.exit(code)
"""


def collected() -> dict[str, list[str]]:
    """The markers of every test, by its name."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def command(tier: str) -> argparse.Namespace:
    """What pytest is told in an environment of tox.ini: which markers, and which paths."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    line = re.sub(r"\{posargs:?(.*?)\}", r"\1", tox[tier]["commands"])
    parser = argparse.ArgumentParser(prog="pytest")
    parser.add_argument("program", choices=["pytest"])
    parser.add_argument("-m", dest="markers", default="True")
    parser.add_argument("paths", nargs="*")
    return parser.parse_intermixed_args(shlex.split(line))


def runs(told: argparse.Namespace, name: str, markers: list[str]) -> bool:
    """Whether a test is run by such a command. The markers are an expression of Python's."""
    chosen = eval(told.markers, {}, collections.defaultdict(bool, dict.fromkeys(markers, True)))  # noqa: S307
    return chosen and (not told.paths or name.startswith(tuple(told.paths)))


def test_every_test_runs_in_some_tier():
    """None is left out by the markers and paths of all of them."""
    tests, commands = collected(), [command(tier) for tier in TIERS]
    chosen = [{n for n, of in tests.items() if runs(told, n, of)} for told in commands]
    assert all(chosen)
    assert set(tests) - set().union(*chosen) == set()


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


def imported(path: pathlib.Path) -> set[str]:
    """Return the full names that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_no_module_imports_a_test_module():
    """Shared helpers are in tests/support and in testbed."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("benchmarks", "testbed", "tests", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in imported(path)
        if re.match(r"tests\.(.+\.)?test_", name)
    ]
    assert found == []


def test_benchmarks_and_testbed_import_nothing_of_the_tests():
    """Tests import both; a benchmark runs without tests."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("benchmarks", "testbed")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in imported(path)
        if name.partition(".")[0] == "tests"
    ]
    assert found == []


def test_a_folder_of_tests_is_read_at_a_glance():
    """No folder has more than 20 Python files, but for the unit tests of the data side."""
    sizes = {
        str(path.relative_to(ROOT)): len(list(path.glob("*.py")))
        for path in sorted((ROOT / "tests").rglob("*"))
        if path.is_dir()
    }
    large = {name: size for name, size in sizes.items() if size > 20}
    assert set(large) <= {"tests/unit", "tests/unit/serialization"}, large


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
