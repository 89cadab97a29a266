# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Each VIF has one entry; the devices and ports of a VIF belong to no record of another VIF."""

from __future__ import annotations

import csv
import io

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

NOW = {"older_than": 0, "observations": 1}
A, B = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "ab")


def port(vif_id, name="tapshared", **profile):
    """Return a VIF of a device, with the id of the VIF as the id of the Neutron port."""
    vif = ovs_vif(create_port=True, create_tap=True, **profile)
    vif.id, vif.vif_name = vif_id, name
    vif.port_profile.interface_id = vif_id
    return vif


def trunk():
    """Return a VIF in the bridge of a trunk, whose port the hypervisor creates."""
    vif = ovs_vif(datapath_type="netdev")
    vif.id = A
    vif.vif_name, vif.bridge_name = f"tap{A[:11]}", f"tbr-{A[:10]}"
    vif.network.bridge = vif.bridge_name
    return vif


def entries():
    """Return plugin and state of the entries, by id."""
    found = os_vif.inventory()
    assert found.errors == ()
    return {entry.id: (entry.plugin, str(entry.state)) for entry in found}


def outcomes(report):
    return {result.entry.id: str(result.outcome) for result in report.results}


def links():
    return {link["ifname"] for link in ip("link")}


@pytest.fixture
def two(br_int, instance):
    """Plug B on the device of A, and return both VIFs."""
    vifs = port(A), port(B)
    for vif in vifs:
        os_vif.plug(vif, instance)
    return vifs


def test_the_older_of_two_vifs_with_a_device_is_only_a_record(two, instance):
    assert entries() == {A: ("ovs", "left over"), B: ("ovs", "right")}
    (first, _) = os_vif.inventory()
    assert first.reasons == (f"only the record remains: tapshared belongs to VIF {B}",)
    assert (first.devices, first.port) == ((), None)
    os_vif.unplug(first.vif, first.instance)
    assert entries() == {B: ("ovs", "right")}
    assert os_vif.check(two[1], instance) == ()


def test_an_unplug_of_the_entry_of_a_stale_vif_keeps_the_device_and_of_the_vif_itself_does_not(
    two, instance, br_int
):
    """The public 5.3.0 deletes by name, too: doc/source/operators/ovs/names.rst has the reasons."""
    old, new = two
    (entry,) = [each for each in os_vif.inventory() if each.id == old.id]
    os_vif.unplug(entry.vif, entry.instance)
    assert [each.id for each in os_vif.inventory()] == [new.id]
    assert [d for d in os_vif.check(new, instance) if not d.pending] == []
    assert new.vif_name in br_int.vsctl("list-ports", "br-int")
    os_vif.unplug(old, instance)
    assert new.vif_name not in br_int.vsctl("list-ports", "br-int")


def test_a_collection_of_a_stale_record_keeps_the_device(two, instance):
    report = os_vif.collect([B], **NOW)
    assert (outcomes(report), report.kept) == ({A: "removed"}, 1)
    assert entries() == {B: ("ovs", "right")}
    assert os_vif.check(two[1], instance) == ()


def test_a_repair_of_all_skips_a_stale_record(two, instance, os_vif):
    import os_vif as library

    for _ in range(2):
        done = os_vif("repair", "--all", "--yes")
        assert (done.returncode, "plugged again" in done.stdout) == (0, False)
    assert library.check(two[1], instance) == ()


def test_the_newer_of_two_records_has_the_device_without_a_port(two, instance, br_int):
    br_int.vsctl("del-port", "tapshared")
    assert entries() == {A: ("ovs", "left over"), B: ("ovs", "differs")}
    os_vif.collect([B], **NOW)
    assert "tapshared" in links()


def test_a_vif_without_an_id_is_one_entry(br_int, instance):
    vif = port(A, "tapnoid")
    del vif._obj_id
    os_vif.plug(vif, instance)
    assert entries() == {"tapnoid": ("ovs", "right")}
    report = os_vif.collect([A], **NOW)
    assert (report.results, report.kept) == ((), 1)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert os_vif.inventory() == ()


@pytest.mark.parametrize("cls", [objects.VIFOpenVSwitch, objects.VIFBridge], ids=str)
@pytest.mark.parametrize("name", ["id", "uuid"])
def test_remains_with_a_record_are_kept_by_id_and_instance(br_int, instance, cls, name):
    vif = ovs_vif(cls, create_port=True, create_tap=True)
    os_vif.plug(vif, instance)
    before = links()
    tap = "tap" if cls is objects.VIFOpenVSwitch else "qvo"
    br_int.vsctl("del-port", vif.vif_name if tap == "tap" else f"qvo{vif.id[:11]}")
    keep = vif.id if name == "id" else instance.uuid
    report = os_vif.collect([keep], unowned=True, **NOW)
    assert (report.results, report.kept) == ((), 1)
    assert links() == before
    os_vif.unplug(vif, instance)
    assert os_vif.inventory() == ()


def test_the_name_of_a_device_is_no_id(br_int, instance):
    os_vif.plug(port(A, "tapmoved"), instance)
    br_int.vsctl("del-port", "tapmoved")
    assert entries() == {A: ("ovs", "differs")}
    run("rm -f /run/os-vif/vif-*")
    assert entries() == {"tapmoved": ("ovs", "left over")}
    (entry,) = os_vif.inventory()
    assert "id" not in entry.vif
    os_vif.unplug(entry.vif, entry.instance)
    assert (os_vif.inventory(), "tapmoved" in links()) == ((), False)


@pytest.mark.parametrize("owner", [None, "other"])
def test_the_bridge_of_a_pending_trunk_stays(br_int, instance, owner):
    vif = trunk()
    os_vif.plug(vif, instance)
    assert entries() == {A: ("ovs", "pending")}
    assert os_vif.collect([A], owner=owner, unowned=True, **NOW).results == ()
    assert entries() == {A: ("ovs", "pending")}
    assert vif.bridge_name in br_int.vsctl("list-br").split()


def test_a_trunk_bridge_with_a_port_of_neutron_is_not_empty(br_int):
    br_int.vsctl(
        *("--no-wait", "add-br", "tbr-1", "--", "add-port", "tbr-1", "spt-1"),
        *("--", "set", "Interface", "spt-1", "type=patch", "options:peer=spi-1"),
    )
    br_int.vsctl("--no-wait", "add-br", "pbfoo")
    assert os_vif.inventory() == ()


def test_an_empty_trunk_bridge_without_an_owner_is_collected_as_unowned_only(br_int):
    br_int.vsctl("--no-wait", "add-br", "tbr-1")
    rules = NOW | {"keep_unmatched": True}
    assert outcomes(os_vif.collect(["other"], **rules)) == {"tbr-1": "spared"}
    assert outcomes(os_vif.collect(["other"], owner="other", **rules)) == {"tbr-1": "spared"}
    assert outcomes(os_vif.collect(["other"], unowned=True, **rules)) == {"tbr-1": "removed"}


def test_an_empty_linux_bridge_is_spared_by_a_collection_of_an_owner(instance):
    vif = bridge_vif(1)
    os_vif.plug(vif, instance)
    run("ip link add name veth0 type veth peer name eth0; ip link set dev veth0 master brq-test")
    os_vif.unplug(vif, instance)
    run("ip link del dev veth0")
    assert outcomes(os_vif.collect(["other"], owner="other", keep_unmatched=True, **NOW)) == {
        "brq-test": "spared"
    }
    assert outcomes(os_vif.collect(["other"], keep_unmatched=True, **NOW)) == {
        "brq-test": "removed"
    }


def test_two_plugins_with_an_id_have_two_entries(br_int, instance):
    linux = bridge_vif(1)
    other = port(linux.id, "tapother")
    for vif in (linux, other):
        os_vif.plug(vif, instance)
    found = os_vif.inventory()
    assert [(entry.id, entry.plugin) for entry in found] == [
        (linux.id, "linux_bridge"),
        (linux.id, "ovs"),
    ]
    assert [entry.owner is None for entry in found] == [True, False]
    os_vif.unplug(found[0].vif, found[0].instance)
    (entry,) = os_vif.inventory()
    assert (entry.plugin, entry.owner is None, str(entry.state)) == ("ovs", False, "right")
    os_vif.unplug(other, instance)
    assert os_vif.inventory() == ()


def test_a_repair_without_open_vswitch_tells_the_unknown(br_int, instance, ovs_options, os_vif):
    import os_vif as library

    library.plug(ovs_vif(objects.VIFBridge), instance)
    library.plug(bridge_vif(1), instance)
    ovs_options(ovsdb_connection="unix:/run/missing.sock")
    done = os_vif("repair", "--all", "--yes")
    assert done.returncode == 1
    assert "all VIFs are plugged" not in done.stdout
    assert "nothing to repair; the state of 1 VIF of 2 is unknown" in done.stdout
    assert f"{ovs_vif(objects.VIFBridge).id}: unknown: " in done.stdout


def test_a_csv_cell_is_a_text(br_int, instance, os_vif):
    import os_vif as library

    library.plug(ovs_vif(objects.VIFBridge), instance)
    part = ovs_vif(objects.VIFBridge).id[:11]
    (row,) = csv.DictReader(io.StringIO(os_vif("list", "-f", "csv").stdout))
    assert row["Devices"].split() == [f"{half}{part}" for half in ("qbr", "qvb", "qvo")]
    assert row["Reasons"] == ""


def test_a_vif_of_the_base_class_is_not_plugged(br_int, instance):
    """An entry of a record alone is a VIF of the base class."""
    with pytest.raises(exception.PlugException):
        os_vif.plug(objects.VIFBase(id=A, plugin="ovs"), instance)
