# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What doc/ says of the engine, its steps and its messages is so."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import pathlib
import re
import types

import pytest

import os_vif
from os_vif import exception, objects, steps
from os_vif.engine import runner
from os_vif.engine.privileged import daemon as privileged
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import locks
from os_vif.host.state.directory import STATE
from os_vif.plugins import pod_privsep
from os_vif.steps import wire
from os_vif.steps.ip import forwarding_rules
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run as run_shell
from tests.support.documents.pages import PAGES, error_message, run
from vif_plug_linux_bridge import privsep

#: Those that have no command: they keep the record, or stand in an undo only.
NO_COMMAND = {
    "AddBridgeUser",
    "DeleteVifRecord",
    "Irreversible",
    "PrepareLending",
    "RemoveBridgeUser",
    "RequireVifMark",
    "RestoreForwardingRules",
    "RestoreLink",
    "WriteVifRecord",
}


def test_every_step_is_on_the_page():
    """Those that the privileged side takes, and no others; each says its command."""
    page = PAGES["plugin_authors/steps"]
    listed = re.findall(r"autoclass:: os_vif\.steps\.(?:[a-z_.]+\.)?(\w+)", page)
    # The daemon for pods also takes the steps for pods.
    steps = pod_privsep.vif_plug.registry
    assert sorted(listed) == sorted(steps)
    for name in steps.keys() - NO_COMMAND:
        assert "Equivalent to: ``" in (steps[name].__doc__ or ""), name
    rows = re.findall(r"^   \* - ``(\w+)``$", page, re.MULTILINE)
    assert sorted(rows) == sorted(wire.STEPS)


def quoted(title: str) -> list[str]:
    """The messages in the table of a section of the page for troubleshooting."""
    parts = re.split(
        r"^(\w.*)\n=+$", PAGES["operators/monitoring/troubleshooting"], flags=re.MULTILINE
    )
    section = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    return re.findall(r"^   \* - ``(.+)``$", section, re.MULTILINE)


def refuse(error: OSError):
    def call(*_, **__):
        raise error

    return call


def test_the_messages_on_the_page_are_those_of_the_code(daemon, vif, instance, monkeypatch):
    """Each is provoked, and is found on the page for troubleshooting, in that order."""

    def plug(**changes: object) -> str:
        changed = vif.obj_clone()
        for name, value in changes.items():
            setattr(changed if name in changed.fields else changed.network, name, value)
        return error_message(lambda: os_vif.plug(changed, instance))

    def step(one: KernelStep) -> str:
        return error_message(lambda: runner.run(Plan(one), privileged.__name__))

    def waited() -> str:
        clock = types.SimpleNamespace(
            monotonic=itertools.count(0, 50).__next__, sleep=lambda _: None
        )
        with (
            rtnetlink.opened() as net,
            locks.locked(net.netns, ["brq-demo"]),
            monkeypatch.context() as patch,
        ):
            patch.setattr(locks, "time", clock)
            return step(steps.SetLink("brq-demo", up=True))

    def read_only() -> str:
        run_shell(f"mount -t tmpfs -o ro none {STATE.path}")
        try:
            return step(steps.SetLink("brq-demo", up=True))
        finally:
            run_shell(f"umount {STATE.path}")

    def with_several_next_hops() -> str:
        run_shell("ip link add name uplink type veth peer name cable; ip link set dev uplink up")
        run_shell("ip address add 192.0.2.10/24 dev uplink")
        run_shell("ip route add 203.0.113.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2")
        return plug(bridge_interface="uplink")

    def with_a_rule() -> str:
        run_shell("ip route del 203.0.113.0/24; ip rule add iif uplink lookup 77 pref 1000")
        return plug(bridge_interface="uplink")

    def without_iptables() -> str:
        with monkeypatch.context() as patch:
            patch.setattr(forwarding_rules.subprocess, "run", refuse(FileNotFoundError()))
            return step(steps.EnsureForwardingRules("brq-demo"))

    def without_vlans() -> str:
        with monkeypatch.context() as patch:
            refused = OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            patch.setattr(rtnetlink.Netlink, "add", refuse(refused))
            return step(steps.EnsureVlan("vlan100", "uplink", 100))

    profile = objects.VIFPortProfileOpenVSwitch(interface_id=vif.id)
    gone = objects.VIFHostDevice(
        plugin="ovs",
        address=vif.address,
        dev_address="0000:03:00.2",
        network=vif.network,
        port_profile=profile,
    )
    seen = [
        plug(plugin="x"),
        str(exception.PluginNotLoaded(plugin_name="x", reason="...")),
        plug(bridge_name="sixteen-bytes-xx"),
        error_message(lambda: os_vif.plug(gone, instance)),
        step(steps.SetLink("brq-demo", up=True)),
        waited(),
        read_only(),
        plug(bridge_interface="uplink"),
        with_several_next_hops(),
        with_a_rule(),
        without_iptables(),
        without_vlans(),
        str(exception.LibraryNotInitialized()),
    ]
    page = quoted("Other messages")
    assert len(page) == len(seen)
    assert [text for text, error in zip(page, seen, strict=True) if text not in error] == []


def test_the_warnings_on_the_page_are_those_of_the_code(daemon, vif, instance, caplog):
    """A file that is torn, and one about a bridge that is another by now."""
    vif.bridge_name = "brq-demo"
    with caplog.at_level(logging.WARNING):
        os_vif.plug(vif, instance)
        with rtnetlink.opened() as net:
            path = STATE.path / f"bridge-{net.netns}-brq-demo.json"
        noted = path.read_text()
        path.write_text(noted[:-1])
        os_vif.unplug(vif, instance)
        path.write_text(noted)
        run_shell("ip link del brq-demo; ip link add name brq-demo alias os-vif type bridge")
        os_vif.unplug(vif, instance)
    page = quoted("Warnings in the log")
    assert len(page) == 2
    assert [text for text in page if text not in caplog.text] == []


@pytest.mark.parametrize(
    ("reason", "option"),
    [
        ("cannot be run: No such file or directory", "helper_command = sudo -n privsep-helper"),
        ("ended with status 1, and started no daemon", "helper_command = false"),
        ("Operation not permitted", "capabilities = CAP_SYS_TIME"),
        ("/run/os-vif/lock: Permission denied", "user = nobody"),
    ],
)
@pytest.mark.usefixtures("namespace")
def test_a_right_that_is_missing_gives_the_reason_on_the_page(
    tmp_path, vif_json, os_vif_command, reason, option
):
    """Nothing is made, and where the daemon could not be started, the error says just that."""
    if "nobody" in option and pathlib.Path("/proc/self/uid_map").read_text().split()[2:] == ["1"]:
        pytest.skip("this user namespace has no user but root")
    config = tmp_path / "os-vif.conf"
    config.write_text(f"[{privsep.vif_plug.cfg_section}]\n{option}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "false").symlink_to("/bin/false")
    path = {"PATH": str(programs)}
    done = run(os_vif_command, "--config-file", config, "plug", vif_json, env=path)
    assert done.returncode == 1
    assert reason in done.stderr
    assert f"   * - ``{reason}``\n" in PAGES["operators/monitoring/troubleshooting"]
    started = reason.endswith(("not permitted", "denied"))
    assert ("Nothing was done" in done.stderr) == (not started)
    assert "What it had done is unknown" not in done.stderr
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_what_is_said_of_the_bridge_is_what_is_planned(namespace, vif, instance):
    """Every setting that the plan names is in the table, and when it is given."""
    page = PAGES["operators/linux_bridge"]
    rows = re.findall(r"^   \* - (.+)\n     - (.+)\n     - (.+)$", page, re.MULTILINE)
    when = {re.sub(r".*\.|`", "", what): time for what, _, time in rows}
    os_vif.initialize()
    run_shell("ip link add name uplink address 02:00:00:00:00:01 type veth peer name cable")
    vif.has_traffic_filtering, vif.network.bridge_interface = False, "uplink"
    planned = os_vif.plan(vif, instance)
    commands = str(planned).splitlines()
    assert "address 02:00:00:00:00:01" in commands[0]
    for name in (*re.findall(r"(\w+) \d+(?: |$)", commands[0]), "MAC address"):
        assert when[name] == "at creation"
    keys = [
        command.partition("=")[0].rpartition("/")[2] for command in commands if "sysctl" in command
    ]
    assert len(keys) == 3
    enforced = ("MTU", "State", "User of the bridge: the VIF", "Forwarding rules")
    for name in (*keys, *enforced):
        assert when[name] == "on every plug"
    kinds = {type(one).__name__ for one in planned}
    assert kinds == {
        "EnsureBridge",
        "SetSysctl",
        "AddBridgeUser",
        "EnsureForwardingRules",
        "SetLink",
    }
