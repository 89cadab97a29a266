# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The commands ``list``, ``describe``, ``check --all`` and ``repair``."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
import yaml
from oslo_serialization import jsonutils

from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("namespace")

INSTANCE = "b0000000-0000-4000-8000-000000000000"


@pytest.fixture
def plugged(os_vif, tmp_path):
    """Plug two VIFs into two bridges by the command, and return the ids."""
    ids = []
    for number in (1, 2):
        vif = bridge_vif(number, bridge=f"brq-{number}")
        path = tmp_path / f"{number}.json"
        path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
        done = os_vif("plug", str(path), "--instance-uuid", INSTANCE)
        assert (done.returncode, done.stderr) == (0, "")
        ids.append(vif.id)
    return ids


def test_list_shows_each_vif_in_each_format(plugged, os_vif):
    """Compare the JSON format with the CSV and YAML formats; the table has the same columns."""
    done = os_vif("list", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["ID"] for row in rows] == plugged
    assert rows[0] | {"Since": None} == {
        "ID": plugged[0],
        "Class": "VIFBridge",
        "Plugin": "linux_bridge",
        "Way": "bridge",
        "Instance": INSTANCE,
        "Owner": "os-vif",
        "Since": None,
        "Devices": ["brq-1"],
        "Port": None,
        "Bridge": "brq-1",
        "State": "right",
        "Reasons": [],
    }
    assert rows[0]["Since"].endswith("+00:00")
    assert yaml.safe_load(os_vif("list", "-f", "yaml").stdout)[0]["ID"] == plugged[0]
    found = list(csv.DictReader(io.StringIO(os_vif("list", "-f", "csv").stdout)))
    assert [row["State"] for row in found] == ["right", "right"]
    table = os_vif("list").stdout
    assert all(text in table for text in ("| ID ", "| State ", plugged[0], "brq-2"))


def test_an_empty_table_has_a_message(os_vif):
    """List the VIFs of a host without a VIF, and expect no message for programs."""
    done = os_vif("list")
    expected = "no VIF is plugged, or none matches the options\n"
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", expected)
    done = os_vif("list", "-f", "json")
    assert (json.loads(done.stdout), done.stderr) == ([], "")


def test_filters_select_vifs(plugged, os_vif):
    """Combine options of different names, and repeat an option."""
    for arguments, number in (
        (["--plugin", "linux_bridge"], 2),
        (["--plugin", "ovs"], 0),
        (["--owner", "os-vif", "--state", "right"], 2),
        (["--owner", ""], 0),
        (["--state", "differs", "--state", "pending"], 0),
        (["--instance", INSTANCE, "--bridge", "brq-1"], 1),
        (["--instance", "other"], 0),
    ):
        done = os_vif("list", "-f", "json", *arguments)
        assert (done.returncode, len(json.loads(done.stdout))) == (0, number), arguments


def test_describe_prints_the_entry_and_the_document(plugged, os_vif):
    """Find a VIF by id and by device. The document is input of the other commands."""
    for name in (plugged[0], "brq-1"):
        done = os_vif("describe", name, "-f", "json")
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert (found["ID"], found["Owner"]) == (plugged[0], "os-vif")
        document = json.dumps(found["VIF"])
        assert found["VIF"]["kind"] == "VIFBridge"
        assert os_vif("check", text=document).returncode == 0
    done = os_vif("describe", plugged[0], "--document")
    assert json.loads(done.stdout)["kind"] == "VIFBridge"
    assert '"kind": "VIFBridge"' in os_vif("describe", plugged[1]).stdout
    done = os_vif("describe", "tap-x")
    assert (done.returncode, done.stderr) == (
        2,
        "this host has no VIF with the id, port or device tap-x\n",
    )


def test_check_all_and_repair_all(plugged, os_vif):
    """Expect exit code 3, a line and a row for a difference, and a repair of the VIF."""
    assert (os_vif("check", "--all").returncode, os_vif("check", "--all").stdout) == (0, "")
    run("ip link set brq-1 mtu 1400")
    line = f"{plugged[0]}: brq-1: MTU is 1400, should be 1450\n"
    done = os_vif("check", "--all")
    assert (done.returncode, done.stdout) == (3, line)
    (row,) = json.loads(os_vif("check", "--all", "-f", "json").stdout)
    assert (row["VIF"], row["State"], row["Found"]) == (plugged[0], "differs", "1400")
    assert os_vif("check", "--all", "--bridge", "brq-2").returncode == 0
    done = os_vif("repair", "--all")
    assert (done.returncode, done.stdout) == (2, line)
    assert "to plug 1 VIF again, --yes is required without a terminal" in done.stderr
    done = os_vif("repair", "--all", "--yes")
    assert (done.returncode, done.stdout) == (0, f"{line}{plugged[0]}: plugged again\n")
    assert os_vif("check", "--all").returncode == 0
    done = os_vif("repair", "--all")
    assert (done.returncode, done.stdout) == (0, "all VIFs are plugged; nothing to repair\n")


def test_repair_of_an_id_keeps_the_others_and_the_owner(plugged, os_vif):
    """Expect exit code 2 for wrong arguments."""
    run("ip link set brq-1 mtu 1400; ip link set brq-2 mtu 1400")
    assert os_vif("repair", "brq-2", "--yes").returncode == 0
    states = [row["State"] for row in json.loads(os_vif("list", "-f", "json").stdout)]
    assert states == ["differs", "right"]
    for wrong in ([], ["--all", "brq-1"], ["missing"]):
        assert os_vif("repair", "--yes", *wrong).returncode == 2
    assert os_vif("check", "--all", "vif.json").returncode == 2


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, "right"), ("n", 3, "differs")])
def test_repair_asks_on_a_terminal(plugged, os_vif, os_vif_command, answer, code, state):
    """Answer the question of the command on a pseudo-terminal."""
    run("ip link set brq-1 mtu 1400")
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", os_vif_command, "repair", "--all"],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    for descriptor in (ours, theirs):
        os.close(descriptor)
    assert (done.returncode, "Plug 1 VIF again? [y/N]" in done.stdout) == (code, True)
    rows = json.loads(os_vif("list", "-f", "json", "--bridge", "brq-1").stdout)
    assert rows[0]["State"] == state
