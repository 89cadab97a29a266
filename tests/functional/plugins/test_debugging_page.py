# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The page "Debugging a failing plan" shows the messages of real commands."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import os_vif
from os_vif import objects
from os_vif.testing import conformance_suite
from os_vif.testing.private_namespaces import run as run_in_namespace
from testbed import snippets
from tests.support.documents.pages import PAGES
from tests.support.toys import toy_plugins

PAGE = "plugin_authors/debugging_plugins"


def _command(directory, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "os_vif", *arguments, "vif.json"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _without_duration(text: str) -> str:
    return re.sub(r"in [\d.]+ ms", "in N ms", text)


def test_the_messages_on_the_page_are_those_of_the_commands(host, tmp_path):
    error, planned, changed = (
        block.text.strip() for block in snippets.blocks(PAGES[PAGE], "text")
    )
    (document,) = (
        block for block in snippets.blocks(PAGES["quickstart"], "json") if block.caption
    )
    (tmp_path / document.caption).write_text(document.text)
    run_in_namespace("ip link add brq-demo type veth peer name other0")
    assert error in _command(tmp_path, "plug")
    assert planned in _command(tmp_path, "plan")
    assert "Traceback (most recent call last)" in _command(tmp_path, "--debug", "plug")
    commands = _command(tmp_path, "plan", "-f", "sh")
    assert "ip link add name brq-demo type bridge" in commands
    run_in_namespace("ip link del brq-demo")
    assert _without_duration(changed) in _without_duration(_command(tmp_path, "plug", "-vv"))


def test_the_log_of_the_program_has_the_messages_of_the_daemon(host, caplog):
    """A step of a plugin logs in the privileged daemon, which is another process."""
    caplog.set_level(logging.DEBUG)
    vif = toy_plugins.vif()
    with (
        conformance_suite.loaded(toy_plugins.Logs, vif.plugin),
        conformance_suite.private_daemons(),
    ):
        os_vif.plug(vif, objects.InstanceInfo(name="guest"))
    (record,) = [r for r in caplog.records if "sets the queue of tap00000001" in r.getMessage()]
    daemon = int(record.getMessage().split()[1])
    assert daemon != os.getpid()
    assert record.levelname == "WARNING"
