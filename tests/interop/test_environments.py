# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Where the interpreters of other environments are found, and what is said if there is none."""

from __future__ import annotations

import sys

import pytest

from testbed import environments

#: One that no machine has.
VERSION = "3.99"


@pytest.fixture
def pyenv(tmp_path, monkeypatch):
    """A pyenv with two versions installed, both of which are off: its shims refuse."""
    programs = {"shims": "exit 127", "versions/3.99.8/bin": "exit 1", "versions/3.99.7/bin": ""}
    for place, body in programs.items():
        program = tmp_path / place / f"python{VERSION}"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    return tmp_path


@pytest.mark.parametrize("told_by", ["PATH", "PYENV_ROOT"])
def test_version_of_pyenv_is_found_while_it_is_off(told_by, pyenv, monkeypatch):
    """By its shims or by its root; one that does not start is passed over."""
    monkeypatch.setenv(told_by, str(pyenv / "shims") if told_by == "PATH" else str(pyenv))
    found = environments.interpreter(VERSION)
    assert found == pyenv / "versions" / "3.99.7" / "bin" / f"python{VERSION}"


def test_program_on_the_path_goes_first(pyenv, monkeypatch):
    """Whoever has switched a version on gets that one."""
    (pyenv / "shims" / f"python{VERSION}").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(pyenv / "shims"))
    assert environments.interpreter(VERSION) == pyenv / "shims" / f"python{VERSION}"


def test_missing_interpreter_is_named_with_the_way_to_get_it(pyenv):
    """The error is what the test that needs it is skipped with."""
    with pytest.raises(environments.NoInterpreter, match=r"python3\.99 .* 'pyenv install 3\.99'"):
        environments.interpreter(VERSION)


def test_running_interpreter_needs_no_search(pyenv):
    """The version that runs the tests is there, whatever the path is."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert str(environments.interpreter(version)) == sys.executable
