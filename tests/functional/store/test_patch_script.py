# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The script of the page that applies patches passes each patch to kubectl unchanged.

tests/interop/cluster runs the script with kubectl and an API server. Here, a program with the name
kubectl records the arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from os_vif.cmd import main
from testbed import snippets
from tests.support.data.stored_pods import stored
from tests.support.documents.pages import PAGES
from tests.support.forks import forked

(SCRIPT,) = [
    block.text
    for block in snippets.blocks(PAGES["operators/convert_cluster"], "bash")
    if block.caption == "patch.sh"
]
RECORDER = """#!{python}
import json, sys
with open("calls.jsonl", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_each_patch_reaches_kubectl_unchanged(tmp_path, shell):
    """Annotations have quotes and backslashes, which the echo of a shell may change."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    whole = json.dumps({"kind": "List", "items": stored(3)}).encode()
    done = forked(lambda: main.main(["convert", "--form", "json", "--patch"]), whole, tmp_path)
    assert done.returncode == 0
    (tmp_path / "patches.jsonl").write_bytes(done.stdout)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(RECORDER.format(python=sys.executable))
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    subprocess.run([shell, "-c", SCRIPT], env=environ, cwd=tmp_path, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert len(calls) == 3
    for call, line in zip(calls, lines, strict=True):
        *arguments, patch = call
        place = ["patch", "Pod", line["name"], "-n", line["namespace"], "--type", "json", "-p"]
        assert arguments == place
        assert json.loads(patch) == line["patch"]
