# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Manual pages, ``--help`` and the scripts of completion agree with the parsers of the commands."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess

import pytest

from tools import command_parsers, completion, manual

PAGES = sorted(manual.FOLDER.glob("*.1"))
PARSERS = command_parsers.command_parsers()
WIDTH = 80


def test_the_manual_pages_are_those_of_the_parsers():
    """``python -m tools.manual`` writes the pages."""
    assert {path.name: path.read_text("utf-8") for path in PAGES} == manual.pages()
    names = {f"os-vif-{name.replace(' ', '-')}.1" for name in PARSERS}
    assert {path.name for path in PAGES} == {"os-vif.1", *names}


def test_the_completion_is_that_of_the_parsers():
    """``python -m tools.completion`` writes the scripts."""
    pytest.importorskip("shtab")
    for name, text in completion.scripts().items():
        assert (completion.FOLDER / name).read_text("utf-8") == text, name


def test_man_renders_each_page_without_a_warning():
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    for path in PAGES:
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
            capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert (done.stderr, b"OS" in done.stdout) == (b"", True), path.name


def test_mandoc_finds_no_fault_in_a_page():
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *PAGES],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_the_help_of_a_command_fits_into_80_columns_and_has_examples(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    lines = PARSERS[name].format_help().splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    assert "examples:" in lines
    # Words such as /run/os-vif/cni.sock are not broken at a hyphen.
    assert [line for line in lines if line.endswith(("os-", "--"))] == []


def test_the_list_of_commands_fits_into_80_columns(os_vif, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    done = os_vif("--help")
    assert [line for line in done.stdout.splitlines() if len(line) > WIDTH] == []
    for name in PARSERS:
        assert f"\n  {name} " in done.stdout
    assert os_vif("help").stdout == done.stdout


def test_a_wheel_installs_each_page_and_script_where_programs_look():
    """``tests/interop/test_install.py`` installs the wheel."""
    setup = configparser.ConfigParser()
    setup.read(command_parsers.ROOT / "setup.cfg")
    files = {
        folder: sorted(
            path.name
            for pattern in patterns.split()
            for path in command_parsers.ROOT.glob(pattern)
        )
        for folder, patterns in setup["options.data_files"].items()
    }
    assert files["share/man/man1"] == [path.name for path in PAGES]
    assert files["share/bash-completion/completions"] == ["os-vif"]
    assert files["share/zsh/site-functions"] == ["_os-vif"]
    assert files["share/fish/vendor_completions.d"] == ["os-vif.fish"]
    shipped = {path.name for path in (command_parsers.ROOT / "etc").rglob("*") if path.is_file()}
    assert shipped == {
        name for folder, names in files.items() if "ompletion" not in folder for name in names
    } - {"_os-vif"}
