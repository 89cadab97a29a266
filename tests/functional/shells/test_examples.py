# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The examples in ``--help`` and the manual pages: each is parsed, and those that end are run."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess
import sys

import pytest

import os_vif as library
from os_vif import negotiation, objects, serialization
from os_vif.cmd import examples
from tools import command_parsers

PARSERS = command_parsers.command_parsers()
EXAMPLES = [(name, command) for name, found in examples.EXAMPLES.items() for _, command in found]
#: Commands that run until a signal; the demo, and the tests of negotiation, have tests of their own.
ONLY_PARSED = {
    "cni-daemon", "demo", "negotiate bind", "negotiate verdict", "privileged", "watch",
}  # fmt: skip


def _words(command: str) -> list[str]:
    """Return the words of the os-vif command in an example."""
    (part,) = (part for part in command.split(" | ") if "os-vif " in part)
    words = shlex.split(part.removeprefix('eval "$(').removesuffix(')"'), comments=True)
    return words[: words.index(">")] if ">" in words else words


def test_each_command_has_examples():
    assert sorted(PARSERS) == sorted(examples.EXAMPLES)


@pytest.mark.parametrize(("name", "command"), EXAMPLES)
def test_an_example_is_parsed(name, command):
    program, *words = _words(command)
    assert program == "os-vif"
    if words[0] == "--config-file":
        words = words[2:]
    expected = name.split()
    assert words[: len(expected)] == expected
    PARSERS[name].parse_args(words[len(expected) :])
    assert all(len(line) <= 76 for line in command.splitlines())


@pytest.fixture
def folder(namespace, quick_commands, rights, tmp_path, monkeypatch) -> pathlib.Path:
    """Enter a folder with the files of the examples, on a host with a plugged VIF."""
    vif = objects.VIFBridge(
        id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", address="fa:16:3e:00:00:01",
        plugin="linux_bridge", vif_name="tap-demo", bridge_name="brq-demo",
        has_traffic_filtering=True,
        network=objects.Network(should_provide_bridge=True, mtu=1450),
    )  # fmt: skip
    text = serialization.dumps(vif)
    (tmp_path / "vif.json").write_text(text)
    for name in ("vifs.jsonl", "stored.json", "before.json", "after.json"):
        (tmp_path / name).write_text(f"{text}\n{text}\n")
    (tmp_path / "in-use.txt").write_text("5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    offer = serialization.dumps(negotiation.Offer(release="6.0.0", host="host-b"))
    outputs = {
        "virsh": "b0000000-0000-4000-8000-000000000000",
        "ovn-sbctl": offer,
        "kubectl": text,
    }
    for name, output in outputs.items():
        (programs / name).write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
        (programs / name).chmod(0o755)
    path = (str(programs), str(pathlib.Path(sys.executable).parent), os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.chdir(tmp_path)
    library.initialize()
    return tmp_path


#: Commands whose first example runs in each run of the tests.
QUICK = ("describe", "gc", "negotiate offer", "plug", "unplug")
FIRST = [(name, examples.EXAMPLES[name][0][1]) for name in QUICK]


@pytest.mark.parametrize(
    "chosen", [FIRST, pytest.param(EXAMPLES, marks=pytest.mark.soak)], ids=["quick", "all"]
)
def test_the_examples_run_one_after_another(folder, chosen):
    """``plug`` comes first, and ``unplug`` last. Exit code 3 tells of differences."""
    order = sorted(
        (item for item in chosen if item[0] not in ONLY_PARSED),
        key=lambda item: (item[0] != "plug", item[0] == "unplug"),
    )
    script = "".join(
        f"echo '## {number}'\n({command}) </dev/null\necho \"code $?\"\n"
        for number, (_, command) in enumerate(order)
    )
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0
    codes = {}
    for number, part in enumerate(done.stdout.split("## ")[1:]):
        codes[order[number][1]] = int(part.rpartition("code ")[2])
    permitted = {"check": {0, 3}, "doctor": {0, 3}, "gc": {0, 2, 3}, "repair": {0, 3}}
    wrong = {
        command: codes[command]
        for name, command in order
        if codes[command] not in permitted.get(name, {0})
    }
    assert wrong == {}, done.stderr
    assert json.loads((folder / "offer.json").read_text())["release"]
    assert "Traceback" not in done.stderr
