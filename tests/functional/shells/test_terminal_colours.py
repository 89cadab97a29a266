# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Colours of check, doctor, gc and validate: on a terminal only."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import subprocess
import sys

import pytest

RED, RESET = "\033[31m", "\033[0m"
YELLOW = "\033[33m"
VIF = {
    "apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "linux_bridge",
    "id": "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", "address": "fa:16:3e:00:00:01",
    "bridge_name": "brq-demo", "vif_name": "tap-demo", "has_traffic_filtering": True,
    "network": {"should_provide_bridge": True},
}  # fmt: skip


@pytest.fixture
def folder(namespace, quick_commands, tmp_path, monkeypatch) -> pathlib.Path:
    (tmp_path / "vif.json").write_text(json.dumps(VIF))
    (tmp_path / "wrong.json").write_text(json.dumps(VIF | {"address": "no address"}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def _on_terminal(*arguments: str) -> str:
    """Return the standard output of the command on a terminal."""
    terminal, side = pty.openpty()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "os_vif", *arguments], stdout=side, check=False
    )
    os.close(side)
    text = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    return text


def test_a_terminal_shows_differences_and_errors_in_red(folder):
    assert f"{RED}brq-demo: device is missing, should be a bridge{RESET}" in _on_terminal(
        "check", "vif.json"
    )
    assert _on_terminal("validate", "wrong.json").startswith(f"{RED}wrong.json:1: ")


def test_the_table_of_gc_has_coloured_outcomes_in_straight_columns(folder):
    subprocess.run([sys.executable, "-m", "os_vif", "plug", "vif.json"], check=True)
    words = ("gc", "--keep-nothing", "--older-than", "0s", "--seen", "1", "--dry-run")
    text = _on_terminal(*words)
    assert f"{YELLOW}would remove{RESET}" in text
    plain = text.replace(YELLOW, "").replace(RESET, "").splitlines()
    assert len({len(line) for line in plain if line.startswith(("|", "+"))}) == 1
    assert "\033[" not in _on_terminal(*words, "-f", "json")


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
@pytest.mark.parametrize("words", [("check", "vif.json"), ("validate", "wrong.json")])
def test_a_variable_turns_colours_off(folder, monkeypatch, variable, value, words):
    """https://no-color.org."""
    monkeypatch.setenv(variable, value)
    text = _on_terminal(*words)
    assert text.strip()
    assert "\033" not in text


def test_a_pipe_gets_no_colours(folder, os_vif):
    for words in (("check", "vif.json"), ("validate", "wrong.json")):
        done = os_vif(*words)
        assert done.stdout
        assert "\033" not in done.stdout
