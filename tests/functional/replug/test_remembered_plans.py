# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every change between two plugs of a VIF whose plan is remembered is seen and corrected."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pathlib

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.engine import unchanged
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb import pool
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.state import gc_marks, vif_records
from os_vif.plugins.ovs import OvsPlugin
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.forks import forked
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

KINDS = {
    "port": lambda: ovs_vif(create_port=True, datapath_type="netdev"),
    "tap": lambda: ovs_vif(**TAP, datapath_type="netdev"),
    "hybrid": lambda: ovs_vif(HYBRID, datapath_type="netdev"),
}


def plug_one(vif, instance=INSTANCE) -> None:
    os_vif.plug(vif, instance)


def plug_many(vif, instance=INSTANCE) -> None:
    (result,) = os_vif.plug_many([(vif, instance)])
    if result.error is not None:
        raise result.error


PLUGS = (plug_one, plug_many)


def plugged(kind: str, plug) -> objects.VIFBase:
    """Return a plugged VIF whose plan is remembered."""
    if kind == "tap":
        require_tun()
    vif = KINDS[kind]()
    for _ in range(3):
        plug(vif)
    return vif


def port_of(vif) -> str:
    return f"qvo{vif.id}"[:14] if isinstance(vif, HYBRID) else vif.vif_name


def mtu_of(vif) -> int:
    with rtnetlink.opened() as net:
        return net.require(port_of(vif)).mtu


def faults(vif, instance=INSTANCE) -> list[str]:
    """Return everything about a VIF that a plug has to correct."""
    found = [str(d) for d in os_vif.check(vif, instance) if not d.pending]
    with rtnetlink.opened() as net:
        record = vif_records.read_record(net, vif.id)
        if record is None or record.instance_uuid != instance.uuid:
            found.append("the record is missing or of another instance")
        if gc_marks.read(net, vif.id) is not None:
            found.append("the VIF has a mark of garbage collection")
    return found


def delete_record(vif) -> None:
    with rtnetlink.opened() as net:
        pathlib.Path(vif_records.path_of(net, vif.id)).unlink()


def set_mark(vif) -> None:
    with rtnetlink.opened() as net:
        gc_marks.write(net, vif.id, gc_marks.new_token())


#: Changes of the rows of a port, as arguments of ovs-vsctl.
ROWS = {
    "port deleted": "del-port PORT",
    "id changed": "set Interface PORT external_ids:attached-mac=none",
    "id removed": "remove Interface PORT external_ids iface-id",
    "instance changed": "set Interface PORT external_ids:vm-uuid=none",
    "port made again": "del-port PORT -- add-port br-int PORT",
}
#: Changes of the device of a port, as shell commands.
DEVICES = {
    "device deleted": "ip link delete dev PORT",
    "MTU changed": "ip link set dev PORT mtu 1300",
    "device down": "ip link set dev PORT down",
    "device moved to a namespace and back": (
        "ip netns add there && ip link set dev PORT netns there && "
        "ip -n there link set dev PORT netns $$; ip netns delete there"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_of_the_host_is_corrected(br_int, kind):
    vif = plugged(kind, plug_one)
    assert faults(vif) == []
    changes = {
        name: lambda command=command: br_int.vsctl(*command.replace("PORT", port_of(vif)).split())
        for name, command in ROWS.items()
    }
    if kind != "port":
        changes |= {
            name: lambda command=command: run(command.replace("PORT", port_of(vif)))
            for name, command in DEVICES.items()
        }
    changes["record deleted"] = lambda: delete_record(vif)
    changes["marked by garbage collection"] = lambda: set_mark(vif)
    for (name, change), plug in itertools.product(changes.items(), PLUGS):
        change()
        assert faults(vif), name
        plug(vif)
        assert faults(vif) == [], name
        plug(vif)


@pytest.mark.parametrize(("kind", "plug"), list(zip(KINDS, itertools.cycle(PLUGS), strict=False)))
def test_a_changed_vif_is_not_taken_for_the_remembered_one(br_int, plug, kind):
    vif = plugged(kind, plug)
    other = objects.InstanceInfo(uuid="c0000000-0000-4000-8000-000000000000", name="other")
    plug(vif, other)
    assert faults(vif, other) == []
    vif.address = "fa:16:3e:00:00:ee"
    plug(vif, other)
    assert "fa:16:3e:00:00:ee" in br_int.vsctl("get", "Interface", port_of(vif), "external_ids")
    if kind != "port":
        vif.network.mtu = 1300
        plug(vif, other)
        assert mtu_of(vif) == 1300
    assert faults(vif, other) == []


def test_changed_options_are_not_taken_for_the_remembered_ones(br_int, ovs_options):
    require_tun()
    vif = ovs_vif(**TAP, datapath_type="netdev")
    vif.network = objects.Network(bridge="br-int")
    for mtu in (1400, 1300):
        ovs_options(network_device_mtu=mtu)
        for plug in (*PLUGS, *PLUGS):
            plug(vif)
            assert mtu_of(vif) == mtu
    try:
        cfg.CONF.set_override("owner", "another program", group="os_vif")
        plug_one(vif)
        with rtnetlink.opened() as net:
            record = vif_records.read_record(net, vif.id)
    finally:
        cfg.CONF.clear_override("owner", group="os_vif")
    assert record is not None
    assert record.owner == "another program"


def test_a_port_of_another_device_or_bridge_is_refused(br_int):
    """ovs-vswitchd would open a device with the name of the port as an alternative name."""
    vif = plugged("port", plug_many)
    name = vif.vif_name
    run(f"ip link add {name} mtu 1300 type veth peer name guest")
    plug_one(vif)
    assert mtu_of(vif) == vif.network.mtu
    run(f"ip link delete {name}")
    plug_one(vif)
    run("ip link add other type veth peer name guest")
    run(f"ip link property add dev other altname {name}")
    for plug in PLUGS:
        with pytest.raises(exception.PlugException, match="alternative name of other"):
            plug(vif)
    run(f"ip link property del dev other altname {name}")
    plug_one(vif)
    br_int.vsctl("add-br", "br-2", "--", "set", "Bridge", "br-2", "datapath_type=netdev")
    br_int.vsctl("del-port", name, "--", "add-port", "br-2", name)
    for plug in PLUGS:
        with pytest.raises(exception.PlugException, match="br-2"):
            plug(vif)


def test_daemons_of_the_switch_that_start_again_are_recognized(br_int):
    vif = plugged("tap", plug_one)
    br_int.restart_vswitchd()
    plug_one(vif)
    assert faults(vif) == []
    br_int.kill("ovsdb-server")
    br_int.start_server()
    plug_one(vif)
    br_int.vsctl("set", "Interface", port_of(vif), "external_ids:attached-mac=none")
    plug_many(vif)
    assert faults(vif) == []


def test_a_forked_process_sees_changes(br_int):
    vif = plugged("tap", plug_one)

    def work() -> None:
        plug_one(vif)
        for mtu, plug in enumerate(PLUGS, 1300):
            run(f"ip link set dev {vif.vif_name} mtu {mtu}")
            plug(vif)
            assert faults(vif) == []

    result = forked(work, b"")
    assert (result.returncode, result.stderr) == (0, b"")
    plug_one(vif)
    assert faults(vif) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_vif_is_plugged_without_a_new_plan(br_int, kind, monkeypatch):
    """A single request reads the rows."""
    vif = plugged(kind, plug_one)
    requests = []

    def noted(name):
        original = getattr(Ovsdb, name)

        def call(self, *arguments):
            requests.append(name)
            return original(self, *arguments)

        return call

    for name in ("transact", "send_select", "select_unless_known"):
        monkeypatch.setattr(Ovsdb, name, noted(name))

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(OvsPlugin, "plan_plug", refuse)
    for plug in PLUGS:
        plug(vif)
    assert requests == ["send_select", "select_unless_known"]


def test_each_vif_of_a_batch_is_compared_alone(br_int):
    """The other VIFs of the batch are right."""
    require_tun()
    pairs = [(ovs_vif(number=n, **TAP, datapath_type="netdev"), INSTANCE) for n in range(3)]
    first, second, _ = (vif for vif, _ in pairs)
    for _ in range(3):
        assert [result.error for result in os_vif.plug_many(pairs)] == [None] * 3
    br_int.vsctl("set", "Interface", port_of(second), "external_ids:attached-mac=none")
    assert [result.error for result in os_vif.plug_many(pairs)] == [None] * 3
    assert [faults(vif) for vif, _ in pairs] == [[]] * 3
    # The last VIF of a device decides, as in a loop of plugs.
    changed = first.obj_clone()
    changed.network = objects.Network(bridge="br-int", mtu=1300)
    results = os_vif.plug_many([(changed, INSTANCE), *pairs])
    assert [result.error for result in results] == [None] * 4
    assert mtu_of(first) == first.network.mtu


@pytest.mark.parametrize("fault", ["a changed device", "an unreadable device"])
def test_rows_that_arrive_after_a_difference_reach_no_later_plan(br_int, fault, monkeypatch):
    """The answer with the rows is not read if a device, read meanwhile, differs."""
    vif = plugged("tap", plug_one)
    other = ovs_vif(number=7, create_port=True, datapath_type="netdev")
    for _ in range(2):
        plug_one(other)
    if fault == "a changed device":
        run(f"ip link set dev {vif.vif_name} mtu 1300")
    else:
        original = unchanged.devices_hold

        def fail(*_):
            monkeypatch.setattr(unchanged, "devices_hold", original)
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

        monkeypatch.setattr(unchanged, "devices_hold", fail)
    plug_one(vif)
    assert faults(vif) == []
    # Through the same connection, if the pool has the connection.
    br_int.vsctl("remove", "Interface", other.vif_name, "external_ids", "iface-id")
    plug_one(other)
    assert faults(other) == []
    plug_one(vif)
    os_vif.unplug(vif, INSTANCE)
    os_vif.unplug(other, INSTANCE)


def test_a_connection_that_awaits_an_answer_is_not_shared(br_int):
    target = os_vif._plugin("ovs").switch()
    pool.clear()
    request = {"method": "transact", "params": ["Open_vSwitch"], "id": "first"}
    with Ovsdb.to(target) as ovsdb:
        ovsdb.send_select(json.dumps(request).encode())
    assert pool.acquire((target.connection, target.tls)) is None
    with Ovsdb.to(target) as ovsdb:
        ovsdb.send_select(json.dumps(request).encode())
        # The server answers in order.
        (result,) = ovsdb.transact({"op": "select", "table": "Open_vSwitch", "where": []})
        assert len(result["rows"]) == 1
    assert pool.acquire((target.connection, target.tls)) is not None
