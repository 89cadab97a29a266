# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What README.rst says is so: every snippet and every command in it runs."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

import os_vif
from os_vif import call_errors, serialization
from os_vif.testing.host_snapshots import ip
from testbed.snippets import blocks

ROOT = pathlib.Path(__file__).parents[3]
README = (ROOT / "README.rst").read_text()


def snippets(language: str) -> list[str]:
    return [block.text for block in blocks(README, language)]


PYTHON = snippets("python")
PLUG, STORE, PLUGIN = PYTHON


def test_the_plug_snippet_plugs(daemon, capsys):
    """Ten lines: it prints commands, then nothing that differs, and leaves nothing."""
    exec(PLUG, {})  # noqa: S102 - that is what a reader does with it
    *commands, checked = capsys.readouterr().out.splitlines()
    assert commands[0].startswith("ip link add name brq-demo")
    assert checked == "()"
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert len([line for line in PLUG.splitlines() if line.strip()]) <= 13


def test_the_document_is_the_vif_of_the_plug_snippet(daemon):
    """A document and the constructor describe the same VIF."""
    scope: dict = {}
    exec(PLUG, scope)  # noqa: S102
    (document,) = blocks(README, "json")
    read = serialization.loads(document.text)
    assert call_errors.summary(read) == call_errors.summary(scope["vif"])
    assert os_vif.plan(read, scope["instance"]) == os_vif.plan(scope["vif"], scope["instance"])


def test_the_store_snippet_stores():
    """Its own assertions hold."""
    scope: dict = {}
    exec(STORE, scope)  # noqa: S102
    assert "vif_name" not in scope["primitive"]["versioned_object.data"]
    assert len([line for line in STORE.splitlines() if line.strip()]) <= 13


def test_the_plugin_snippet_is_a_plugin(daemon, vif, instance):
    """It describes itself, plans, plugs and unplugs."""
    scope: dict = {}
    exec(PLUGIN, scope)  # noqa: S102
    plugin = scope["IsolatedPlugin"].load("isolated")
    assert plugin.describe().has_vif("VIFBridge")
    plugin.plug(vif, instance)
    assert {link["ifname"] for link in ip("link")} == {"lo", "brq-test"}
    plugin.unplug(vif, instance)
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def commands() -> list[str]:
    """The indented lines after ``::`` that are command lines."""
    return re.findall(r"^    ((?:tools/|os-vif ).*)$", README, flags=re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("os-vif")])
def test_each_os_vif_command_of_the_readme_runs(namespace, tmp_path, os_vif_command, command):
    """With the document of the page; a VIF that is not plugged differs."""
    (document,) = blocks(README, "json")
    (tmp_path / document.caption).write_text(document.text)
    words = command.split()
    done = subprocess.run([os_vif_command, *words[1:]], cwd=tmp_path, check=False)
    assert done.returncode == (3 if words[1] == "check" else 0)


def test_the_plan_in_the_readme_is_what_the_plugin_plans(vif, instance):
    """The picture names the steps."""
    os_vif.initialize()
    steps = ", ".join(type(step).__name__ for step in os_vif.plan(vif, instance))
    assert f"Plan({steps})" in README
