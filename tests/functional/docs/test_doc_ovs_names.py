# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The tables of doc/source/operators/ovs/names.rst list what the ``ovs`` plugin makes, and no more."""

from __future__ import annotations

import re
import shlex

import pytest

import os_vif
from os_vif import objects
from os_vif.host.ovsdb.query import qos_id
from os_vif.host.sriov import functions
from os_vif.objects.vif import VIFBase
from os_vif.steps.ovs.restore import configured_columns
from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.documents.pages import PAGES
from tests.support.requirements import require_tun
from tools import pages

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
BRIDGE = "br-int"


def table(title: str) -> list[list[str]]:
    """Return the rows of a table of the page."""
    return pages.table(PAGES["operators/ovs/names"], title)


def vhost_user(mode: str) -> VIFBase:
    vif = ovs_vif(objects.VIFVHostUser)
    vif.mode = mode
    return vif


#: By what the table calls them.
WAYS = {
    "missing bridge": lambda: ovs_vif(bridge="br-new", datapath_type="netdev"),
    "``create_port``": lambda: ovs_vif(create_port=True),
    "``create_tap``": lambda: ovs_vif(create_port=True, create_tap=True),
    "``per_port_bridge``": lambda: ovs_vif(datapath_type="netdev"),
    "trunk": lambda: ovs_vif(bridge="tbr-1", create_port=True),
    "hybrid": lambda: ovs_vif(objects.VIFBridge),
    "vhost-user, ``server``": lambda: vhost_user("server"),
    "vhost-user, ``client``": lambda: vhost_user("client"),
    "representor": lambda: ovs_vif(objects.VIFHostDevice),
    "DPDK representor": lambda: ovs_vif(objects.VIFHostDevice, datapath_type="netdev"),
}


def resolved(name: str, vif: VIFBase) -> str:
    """A name of the table, for a VIF."""
    match name:
        case "vif.vif_name":
            return str(vif.vif_name) if "vif_name" in vif else ""
        case "network.bridge":
            return vif.network.bridge
        case "representor":
            return "rep1"
    prefix = name.removesuffix("…")
    return f"{prefix}{vif.id}"[: None if prefix in ("pbp", "ibp") else 14]


@pytest.fixture
def host(br_int, ovs_options, tmp_path, monkeypatch):
    """A switch, all that a VIF of any way needs of others, and isolation."""
    ovs_options(isolate_vif=True)
    br_int.vsctl("add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev")
    sysfs = Sysfs(tmp_path / "sys")
    monkeypatch.setattr(functions, "SYS", tmp_path / "sys")
    monkeypatch.setenv("OS_VIF_TEST_SYSFS", str(tmp_path / "sys"))
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:01.0", "0000:03:01.1"])
    sysfs.port("eth0", "abcd", "p0")
    sysfs.port("rep1", "abcd", "pf0vf0")
    run("ip link add name rep1 type veth peer name far")
    return br_int


#: Columns by which rows refer to each other, and those that are the same in every new row.
STRUCTURE = {"name", "ports", "interfaces"}


def rows(switch) -> dict[tuple[str, str], dict[str, object]]:
    """By table and name, the columns that have a value, and the keys of maps; QoS by its port."""
    found: dict[tuple[str, str], dict[str, object]] = {}

    def add(table: str, name: str, row: dict) -> None:
        flat: dict[str, object] = {}
        for column, value in configured_columns(row).items():
            if column in STRUCTURE or value in ({}, [], 0, False):
                continue
            if isinstance(value, dict) and column != "qos":
                flat |= {f"{column}:{key}": member for key, member in value.items()}
            else:
                flat[column] = value
        found[table, name] = flat

    for bridge in switch.dump()["bridges"].values():
        add("Bridge", bridge["name"], bridge)
        ports = bridge["ports"]
        for port in ports if isinstance(ports, list) else [ports]:
            add("Port", port["name"], port)
            add("Interface", port["name"], port["interfaces"])
            if port["qos"]:
                add("QoS", port["name"], port["qos"])
    return found


#: What the commands of a plan say of a device: each is a word, or a sysctl.
OF_A_DEVICE = {
    "address", "ageing_time", "alias", "arp_announce", "arp_ignore", "disable_ipv6",
    "forward_delay", "master", "mcast_snooping", "mtu", "promisc", "stp_state", "up",
}  # fmt: skip


def devices(plan) -> dict[tuple[str, str], set[str]]:
    """By name, what a plan sets on the devices of the kernel."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in str(plan).splitlines():
        words = re.split(r"[ =]", line.partition("  #")[0])
        if words[0] == "sysctl":
            _, _, _, device, key = words[2].split("/")
            found.setdefault(("device", device), set()).add(key)
        elif words[0] == "ip":
            # The peer of a veth device has its own part.
            for part in re.split(r" peer ", line):
                word = shlex.split(part)
                after = [w for w in ("dev", "name") if w in word]
                name = word[word.index(after[0]) + 1]
                found.setdefault(("device", name), set()).update(OF_A_DEVICE & set(word))
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_table_lists_what_a_way_of_plugging_makes(host, ovs_options, way):
    """Every row and device, with the columns and keys that are set, and nothing else."""
    vif = WAYS[way]()
    if way == "``create_tap``":
        require_tun()
    elif way in ("``create_port``", "``per_port_bridge``", "trunk"):
        run(f"ip link add name {vif.vif_name} type veth peer name guest")
    ovs_options(per_port_bridge=way == "``per_port_bridge``")
    before = rows(host)
    os_vif.plug(vif, INSTANCE)
    assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []
    made = {key: value for key, value in rows(host).items() if key not in before}
    # What was there is as it was.
    assert {key: value for key, value in rows(host).items() if key in before} == before
    listed = {
        (what, resolved(pages.literals(name)[0], vif)): set(pages.literals(keys))
        for told, what, name, keys in table("Settings")
        if told == way
    }
    planned = {k: v for k, v in devices(os_vif.plan(vif, INSTANCE)).items() if v}
    assert {**{key: set(value) for key, value in made.items()}, **planned} == listed
    _values(vif, made)
    os_vif.unplug(vif, INSTANCE)
    gone = [pages.literals(name)[0] for name, *_, when in table("Names") if when != "never"]
    trunk = {"tbr-1"} if way == "trunk" else set()
    away = {resolved(name, vif) for name in gone if name != "tbr-…"} | trunk
    expected = {k: v for k, v in {**before, **made}.items() if k[1] not in away | {"rep1"}}
    assert rows(host) == expected
    assert {link["ifname"] for link in ip("link")} & away == set()


def _values(vif: VIFBase, made: dict) -> None:
    """What the table says of a value is so, where it says it as a field or a constant."""
    fields = {
        "port_profile.interface_id": vif.port_profile.interface_id,
        "vif.address": vif.address,
        "vif.path": getattr(vif, "path", None),
        "instance_info.uuid": INSTANCE.uuid,
        "[os_vif] owner": "os-vif",
        "network.bridge": vif.network.bridge,
        "network.mtu": vif.network.mtu,
        "default_qos_type": "linux-noop",
        "port_profile.datapath_type": "netdev",
    }
    told = {
        pages.literals(key)[0]: (cell, pages.literals(cell))
        for key, cell, *_ in table("Values and readers")
    }
    for (kind, name), row in made.items():
        for key, value in row.items():
            cell, known = told[key]
            if known:
                assert str(value) in {str(fields.get(one, one)) for one in known}, (
                    kind,
                    name,
                    key,
                )
            elif key == "external_ids:id":
                assert value == qos_id(name)
            elif key == "options:peer":
                assert {name[:3], value[:3]} == {"pbp", "ibp"}
            else:
                assert key in ("qos", "options:dpdk-devargs"), cell


def test_the_names_are_as_long_as_the_table_says():
    """Every name of the other table is in that of names, and each prefix has its length."""
    vif = ovs_vif()
    listed = {pages.literals(name)[0]: length for name, length, *_ in table("Names")}
    used = {pages.literals(name)[0] for _, _, name, _ in table("Settings")} - {"representor"}
    assert used | {"tbr-…"} == listed.keys()
    for name, length in listed.items():
        if length.isdecimal():
            assert len(resolved(name, vif)) == int(length)
