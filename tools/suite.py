# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the layout of the test suite: ``python -m tools.suite``.

* An environment of tox.ini runs each test.
* A file with tests is named ``test_*.py``, because pytest collects no other files.
* Helpers are in ``tests/support`` and ``testbed``: no module imports a test module.
* ``benchmarks`` and ``testbed`` import nothing from ``tests``. Only the tests of the benchmarks,
  ``test_benchmark*.py``, and modules of ``tools`` import ``benchmarks``.
* A folder has at most 20 Python files.
* No test is skipped without a condition.
* ``monkeypatch.setattr(module, "name", ...)`` replaces a name that the module defines: tests that
  need a virtual machine or another release do not run with each change.

The first check collects all tests, so that pytest and the requirements of the tests are needed. The
other checks read source text.
"""

from __future__ import annotations

import argparse
import ast
import collections
import configparser
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Sections of tox.ini that together run all tests.
TIERS = ("testenv", "testenv:interop", "testenv:vm", "testenv:soak")
MAX_FILES = 20
#: A program that collects all tests, and prints the markers of each test as JSON.
COLLECT = """
import json, sys, pytest
class Listing:
    def pytest_collection_finish(self, session):
        self.markers = {i.nodeid: [m.name for m in i.iter_markers()] for i in session.items}
listing = Listing()
status = pytest.main(["--collect-only", "-qq", "--no-header", "tests"], plugins=[listing])
if status == 0:
    print(json.dumps(listing.markers))
sys.exit(status)
"""


def collect_markers() -> dict[str, list[str]]:
    """Return the names of the markers of each test, by the id of the test."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"pytest cannot collect the tests:\n{done.stdout}{done.stderr}")
    markers: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return markers


def read_tiers() -> dict[str, argparse.Namespace]:
    """Return the marker expression and the paths of the pytest command of each tier."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    parser = argparse.ArgumentParser(prog="pytest")
    parser.add_argument("program", choices=["pytest"])
    parser.add_argument("-m", dest="markers", default="True")
    parser.add_argument("paths", nargs="*")
    commands = {
        tier: re.sub(r"\{posargs:?(.*?)\}", r"\1", tox[tier]["commands"]) for tier in TIERS
    }
    return {
        tier: parser.parse_intermixed_args(shlex.split(command))
        for tier, command in commands.items()
    }


def runs(tier: argparse.Namespace, test: str, markers: Sequence[str]) -> bool:
    """Return whether a tier runs a test with the markers."""
    # A marker expression of pytest is a Python expression.
    names = collections.defaultdict(bool, dict.fromkeys(markers, True))
    chosen = bool(eval(tier.markers, {}, names))  # noqa: S307
    return chosen and (not tier.paths or test.startswith(tuple(tier.paths)))


def check_tiers(
    tests: Mapping[str, Sequence[str]], tiers: Mapping[str, argparse.Namespace]
) -> Iterator[str]:
    """Yield a sentence for each test outside all tiers, and for each tier without tests.

    :param tests: the markers of each test, as of :func:`collect_markers`.
    :param tiers: the commands of the tiers, as of :func:`read_tiers`.
    """
    chosen = {
        name: {test for test, markers in tests.items() if runs(tier, test, markers)}
        for name, tier in tiers.items()
    }
    yield from (f"tox.ini: {name} runs no test" for name, found in chosen.items() if not found)
    for test in sorted(tests.keys() - set().union(*chosen.values())):
        yield f"{test}: no environment of tox.ini runs the test"


def _read(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the path relative to *root* and the source of each Python file of a folder."""
    for path in sorted((root / folder).rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text("utf-8")


def check_file_names(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each test in a file of another name than ``test_*.py``."""
    for path, source in _read(root, "tests"):
        if path.rpartition("/")[2].startswith("test_"):
            continue
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
                "test_"
            ):
                yield f"{path}:{node.lineno}: pytest does not collect {node.name}()"


def imported_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of each import, in functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def check_imports(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each import of a test module, and between tests and benchmarks."""
    for folder in ("benchmarks", "os_vif", "testbed", "tests", "tools"):
        for path, source in _read(root, folder):
            for line, name in imported_names(source):
                top = name.partition(".")[0]
                if re.match(r"tests\.(.+\.)?test_", name):
                    yield f"{path}:{line}: imports the test module {name}"
                elif top == "tests" and folder != "tests":
                    yield f"{path}:{line}: imports {name} of the tests"
                elif top == "benchmarks" and not re.match(
                    r"benchmarks/|tools/|tests/.*/test_benchmark", path
                ):
                    yield f"{path}:{line}: imports {name} of the benchmarks"


def check_folders(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each folder with too many Python files."""
    for path in sorted((root / "tests").rglob("*")):
        count = len(list(path.glob("*.py"))) if path.is_dir() else 0
        name = path.relative_to(root).as_posix()
        if count > MAX_FILES:
            yield f"{name}: {count} Python files, at most {MAX_FILES} expected"


def _module_names(path: Path) -> set[str]:
    """Return the names that a module defines or imports at its top level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def check_replacements(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each ``setattr()`` of a test for a name that the module has not."""
    for path, source in _read(root, "tests"):
        tree = ast.parse(source)
        imported = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="setattr"),
                    args=[ast.Name(id=module), ast.Constant(value=str(name)), _],
                    keywords=[],
                ):
                    file = root / f"{imported.get(module, '').replace('.', '/')}.py"
                    if file.is_file() and name not in _module_names(file):
                        yield f"{path}:{node.lineno}: {imported[module]} has no {name}"


def check_skips(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each file with a skip that has no condition."""
    for path, source in _read(root, "tests"):
        if re.search(r"@pytest\.mark\.skip\b(?!if)", source):
            yield f"{path}: @pytest.mark.skip has no condition"


def main() -> int:
    """Print the faults; return the exit status."""
    checks = (check_file_names, check_imports, check_folders, check_skips, check_replacements)
    faults = [fault for check in checks for fault in check()]
    faults += check_tiers(collect_markers(), read_tiers())
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
