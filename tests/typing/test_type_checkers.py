# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""mypy and pyright read the types of the installed wheel, without a plugin for os-vif."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from testbed import environments, snippets
from testbed.cache import Unavailable
from tests.support.documents.pages import PAGES

HERE = Path(__file__).parent
USAGE, MISTAKES = HERE / "usage.py", HERE / "mistakes.py"
CONFORMANCE = HERE / "conformance_usage.py"
#: Classes with the types that ``os-vif class-types`` writes.
OWN_CLASSES = HERE / "own_classes.py"
#: The examples of the page "Types", in one file.
PAGE = Path("types_page.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel of this checkout and with type checkers."""
    scratch = tmp_path_factory.mktemp("typing")
    try:
        subject = environments.Subject.from_checkout(scratch)
        tools = environments.environment(
            "typing", environments.pins("typing"), subject.requirements
        )
    except Unavailable as reason:
        pytest.skip(str(reason))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch / "venv"], check=True)
    places = {"base": str(scratch / "venv"), "platbase": str(scratch / "venv")}
    own = Path(sysconfig.get_path("purelib", "venv", places))
    shutil.copytree(subject.path, own, dirs_exist_ok=True)
    (shared,) = tools.parents[1].glob("lib/python*/site-packages")
    (own / "tools.pth").write_text(f"{shared}\n", encoding="utf-8")
    # Beside the checkout, type checkers would read the checkout in place of the wheel.
    for path in (USAGE, CONFORMANCE, MISTAKES, OWN_CLASSES):
        shutil.copy(path, scratch)
    page = snippets.blocks(PAGES["developers/types"], "python")
    (scratch / PAGE).write_text("\n".join(block.text for block in page), encoding="utf-8")
    (scratch / "mypy.ini").write_text("[mypy]\n", encoding="utf-8")
    return scratch / "venv" / "bin" / "python"


def run(python: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=python.parents[2],
        env=environments.without_python_settings(os.environ),
    )


def mypy_errors(python: Path, path: Path) -> dict[int, str]:
    """Return the errors of mypy in a file, by line."""
    done = run(python, "-m", "mypy", "--strict", "--output=json", path.name)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert bool(found) == bool(done.returncode)
    return {
        error["line"]: f"{error['file']}: {error['message']}"
        for error in found
        if error["severity"] == "error"
    }


def pyright_errors(python: Path, path: Path) -> dict[int, str]:
    """Return the errors of pyright in a file, by line."""
    done = run(python, "-m", "pyright", "--outputjson", "--pythonpath", python, path.name)
    try:
        found = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        text = done.stdout + done.stderr
        if re.search(r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|getaddrinfo|urlopen error", text):
            pytest.skip("pyright is not installed yet, and the registry of npm is out of reach")
        raise AssertionError(text) from None
    return {
        error["range"]["start"]["line"] + 1: error["message"]
        for error in found
        if error["severity"] == "error"
    }


CHECKERS = pytest.mark.parametrize("errors_of", [mypy_errors, pyright_errors])


@pytest.mark.interop
@CHECKERS
@pytest.mark.parametrize(
    "program", [USAGE, CONFORMANCE, OWN_CLASSES, PAGE], ids=lambda path: path.stem
)
def test_type_checker_finds_no_error_in_a_typed_program(installed, errors_of, program):
    """Every field, argument and result has the type that the program states."""
    assert errors_of(installed, program) == {}


@pytest.mark.interop
@CHECKERS
def test_type_checker_finds_each_mistake(installed, errors_of):
    """A misspelt keyword, a wrong type and a field of another class are errors."""
    lines = MISTAKES.read_text("utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    found = errors_of(installed, MISTAKES)
    assert found.keys() == expected, found
