# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif plan`` prints real commands: typed on another host, they make what a plug makes."""

from __future__ import annotations

import json
import subprocess

import pytest
from oslo_config import cfg
from oslo_serialization import jsonutils

import os_vif
from os_vif import objects
from os_vif.testing.host_snapshots import differences, snapshot, without_addresses
from os_vif.testing.private_namespaces import private_namespace, run
from os_vif.testing.quick_daemons import stop_daemons
from tests.support.cases import CASES, Case

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
#: Of the others the steps are typed in each run (test_ovs_steps.py, test_steps.py).
SHORT = ("ovs-hybrid", "ovs-own-bridge")
OVS = [c.param(marks=() if str(c) in SHORT else [pytest.mark.soak]) for c in CASES["ovs"]]


@pytest.fixture
def os_vif_command_of(os_vif_command, tmp_path):
    """Runs os-vif for the VIF of a case; the exit code is the caller's to look at."""

    def call(case: Case, *arguments: str) -> subprocess.CompletedProcess[str]:
        config = tmp_path / "os-vif.conf"
        # Root's own: that of the daemon is found beside this Python.
        config.write_text("\n".join(
            line for line in case.configuration("").splitlines() if line != "helper_command="
        ))  # fmt: skip
        ids = ("--instance-uuid", INSTANCE.uuid, "--instance-name", INSTANCE.name)
        return subprocess.run(
            [os_vif_command, "--config-file", config, *arguments, *ids],
            input=jsonutils.dumps(case.vif.obj_to_primitive()),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def typed(command: str) -> None:
    """As an operator types it, who heeds what it says of when."""
    connection = cfg.CONF.os_vif_ovs.ovsdb_connection
    command = command.replace("ovs-vsctl", f"ovs-vsctl --db={connection} --timeout=20")
    name = command.partition(" dev ")[2].split(" ")[0]
    if command.startswith("ip link del") or "# if it is there" in command:
        command = f"if ip link show dev {name} >/dev/null 2>&1; then {command}\nfi"
    run(command)


def plugged(case: Case) -> tuple[dict, dict]:
    """How a host is after a plug, and after an unplug."""
    states = []
    with private_namespace(), case.prepared():
        for action in (os_vif.plug, os_vif.unplug):
            action(case.vif, INSTANCE)
            states.append(without_addresses(snapshot()))
        stop_daemons()
    return states[0], states[1]


def without_owner(found: list[str]) -> list[str]:
    """Return differences without the owner of a port, which no printed command sets."""
    return [line for line in found if "/external_ids/os-vif-owner: " not in line]


@pytest.mark.parametrize("case", OVS)
def test_what_is_printed_can_be_typed_to_the_same_end(case):
    """Links, sysctls and rows; a plug finds nothing to do then, and unplug's commands undo it.

    Only the owner of new ports is not printed: the port is then the operator's, not the program's.
    """
    after_plug, after_unplug = plugged(case)
    with case.prepared():
        for unplug, wanted in ((False, after_plug), (True, after_unplug)):
            for command in str(os_vif.plan(case.vif, INSTANCE, unplug=unplug)).splitlines():
                typed(command)
            assert without_owner(differences(wanted, addresses=False)) == []
            if not unplug:
                assert [d for d in os_vif.check(case.vif, INSTANCE) if not d.pending] == []
                os_vif.plug(case.vif, INSTANCE)
                assert without_owner(differences(wanted, addresses=False)) == []


def test_the_command_plans_and_checks_it(os_vif_command_of):
    """With the configuration of nova.conf; what is missing, and what is wrong with which row."""
    (case,) = (case for case in CASES["ovs"] if case.name == "ovs-hybrid")
    with case.prepared():
        before = snapshot()
        plan = os_vif_command_of(case, "plan", "-f", "sh")
        assert plan.stdout.splitlines() == str(os_vif.plan(case.vif, INSTANCE)).splitlines()
        assert snapshot() == before
        os_vif.plug(case.vif, INSTANCE)
        port = f"qvo{case.vif.id[:11]}"
        typed(f"ovs-vsctl set Interface {port} external_ids:iface-status=x")
        done = os_vif_command_of(case, "check", "-f", "json")
        assert (done.returncode, done.stderr) == (3, "")
        assert [list(difference.values()) for difference in json.loads(done.stdout)] == [
            [port, "external_ids:iface-status", "x", "active", False]
        ]
