# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A command whose reader goes away ends quietly, with 141, as other programs do."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from os_vif.testing.host_snapshots import ip

DOCUMENT = '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "noop"}'
WRONG = '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": 7}'
#: Arguments of each command that make it print; each is tried with a reader that is gone.
COMMANDS = {
    "check": ["check -f json -", "check --help"],
    "compare": ["compare --help"],
    "class-types": ["class-types --help"],
    "complete": ["complete"],
    "convert": ["convert --form json", "convert --form ovo"],
    "demo": ["demo"],
    "describe": ["describe --help"],
    "doctor": ["doctor --check plugins", "doctor --check plugins -f json"],
    "gc": ["gc --help"],
    "help": ["help", "help plug"],
    "host-info": ["host-info", "host-info -f json"],
    "import": ["import kuryr"],
    "list": ["list -f json", "list --svg -"],
    "negotiate bind": ["negotiate bind --help"],
    "negotiate offer": ["negotiate offer", "negotiate offer -f json"],
    "negotiate verdict": ["negotiate verdict --help"],
    "new-plugin": ["new-plugin --help"],
    "plan": ["plan -", "plan -v -"],
    "plug": ["plug --help"],
    "plugins": ["plugins", "plugins -f csv", "plugins -f json"],
    "cni-daemon": ["cni-daemon --help"],
    "privileged": ["privileged --help"],
    "repair": ["repair --help"],
    "schema": ["schema"],
    "show": ["show", "show --ascii"],
    "survey": ["survey", "survey -f json"],
    "unplug": ["unplug --help"],
    "validate": ["validate", "validate -v"],
    "watch": ["watch --help"],
}
OPTIONS = ["--help", "--version", "-h"]
#: What prints only what is wrong.
SILENT = {"validate"}
#: What takes one document.
SINGLE = {"check", "plan"}


def after(lines: int, words: str, path: pathlib.Path) -> tuple[int, str]:
    """Run os-vif with a reader that goes away after so many lines.

    :returns: the exit code, and standard error.
    """
    command = words.split(maxsplit=1)[0]
    text = WRONG if command in SILENT else DOCUMENT
    path.write_text(f"{text}\n" * (1 if command in SINGLE else 3000))
    reads, writes = os.pipe()
    if not lines:
        os.close(reads)
    with path.open() as given:
        process = subprocess.Popen(
            [sys.executable, "-m", "os_vif.cmd.main", *words.split()],
            stdin=given,
            stdout=writes,
            stderr=subprocess.PIPE,
            text=True,
        )
    os.close(writes)
    with process:
        if lines:
            with os.fdopen(reads) as reader:
                for _ in range(lines):
                    reader.readline()
        _, said = process.communicate(timeout=120)
    return process.returncode, said


def noted() -> list[str]:
    """Return what os-vif has noted of bridges of this host."""
    return sorted(path.name for path in pathlib.Path("/run/os-vif").glob("bridge-*"))


def test_all_commands_are_tried():
    registered = importlib.metadata.entry_points(group="os_vif.commands").names
    names = {name.replace("_", " ") for name in registered}
    assert COMMANDS.keys() == names | {"complete", "help"}


@pytest.mark.short_form(key=lambda words: words.rpartition(" ")[2] == "--help" or words)
@pytest.mark.parametrize("words", [*(w for each in COMMANDS.values() for w in each), *OPTIONS])
def test_a_command_whose_reader_is_gone_ends_quietly(rights, tmp_path, words):
    """Before the first line, which may be all that there is."""
    before = noted()
    code, said = after(0, words, tmp_path / "in")
    if words.startswith("host-info"):
        said = said.removeprefix("no network card of this host has virtual functions\n")
    assert (code, said) == (128 + signal.SIGPIPE, "")
    assert noted() == before


@pytest.mark.parametrize("lines", [1, 50])
@pytest.mark.parametrize("words", ["convert --form json", "validate -v", "show"])
def test_a_command_whose_reader_goes_away_after_some_lines_ends_quietly(tmp_path, words, lines):
    """``os-vif convert ... | head -1``: there are more lines than a pipe holds."""
    assert after(lines, words, tmp_path / "in") == (128 + signal.SIGPIPE, "")


@pytest.mark.short_form(1)
@pytest.mark.parametrize("act", ["Plug two", "Bridges and ports", "Plug it"])
def test_a_demo_whose_reader_goes_away_leaves_nothing(rights, tmp_path, act):
    """In whichever act: no device, no record of a bridge, no process."""
    before, records = ip("link"), noted()
    code, shown = _demo_until(act)
    assert (code, shown) == (128 + signal.SIGPIPE, "")
    assert ip("link") == before
    assert noted() == records


def _demo_until(act: str) -> tuple[int, str]:
    """Run the demo, and read until the title of an act."""
    with subprocess.Popen(
        [sys.executable, "-m", "os_vif.cmd.main", "demo"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if act in line:
                break
        else:
            pytest.skip("Open vSwitch is not installed, so this act is not shown")
        process.stdout.close()
        said = process.stderr.read()
    return process.returncode, said
