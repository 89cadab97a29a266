# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A switch with many ports of virtual machines that have gone."""

from __future__ import annotations

import pytest

import os_vif
from tests.support.cases import ovs_vif
from tests.support.guests.pings import Pings
from tests.support.ovs.vifs import INSTANCE, TAP, guest_on
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

KEPT = 9


def orphan_ids(count: int) -> list[str]:
    return [
        f"{number:08x}-1111-4222-8333-444455556666" for number in range(0x1000, 0x1000 + count)
    ]


def add_orphans(switch, ids) -> None:
    """Add ports as the public os-vif does for a device that libvirt has deleted."""
    for start in range(0, len(ids), 200):
        commands = []
        for vif_id in ids[start : start + 200]:
            port = f"tap{vif_id[:11]}"
            keys = {
                "iface-id": vif_id,
                "iface-status": "active",
                "attached-mac": '"fa:16:3e:00:00:99"',
                "vm-uuid": INSTANCE.uuid,
            }
            commands += ["--", "add-port", "br-int", port, "--", "set", "Interface", port]
            commands += [f"external_ids:{key}={value}" for key, value in keys.items()]
        # vswitchd reports the missing devices.
        switch.vsctl("--no-wait", *commands[1:])


# Without PMD threads, the main thread of ovs-vswitchd forwards the packets of a userspace
# datapath, and forwards none while it reconfigures itself: with 1,600 ports on a loaded host, for
# some seconds. The packets wait in a socket buffer, which faster pings overflow.
@pytest.mark.parametrize(
    ("orphans", "interval"),
    [
        pytest.param(40, 0.002, id="short"),
        pytest.param(1591, 0.1, id="long", marks=pytest.mark.soak),
    ],
)
def test_the_ports_of_gone_guests_go_and_kept_guests_lose_no_packet(
    br_int, orphans, interval, ovs_options
):
    require_tun()
    ovs_options(ovs_vsctl_timeout=60)
    ids = orphan_ids(orphans)
    add_orphans(br_int, ids)
    kept = [ovs_vif(number=number, **TAP) for number in range(KEPT)]
    for vif in kept:
        os_vif.plug(vif, INSTANCE)
    rows = {port: br_int.vsctl("list", "Interface", port) for port in kept_ports(kept)}
    with (
        guest_on(kept[0], "192.0.2.1/24") as one,
        guest_on(kept[1], "192.0.2.2/24"),
        Pings(one, "192.0.2.2", interval=interval) as pings,
    ):
        report = os_vif.collect(
            [vif.id for vif in kept], unowned=True, pending=True, older_than=0, observations=1
        )
    pings.assert_answered(tolerated=0)
    assert (len(report.removed), len(report.failed), report.kept) == (orphans, 0, KEPT)
    assert {entry.id for entry in os_vif.inventory()} == {vif.id for vif in kept}
    assert set(br_int.vsctl("list-ports", "br-int").split()) == set(rows)
    for port, before in rows.items():
        assert stable(br_int.vsctl("list", "Interface", port)) == stable(before)


def kept_ports(vifs) -> list[str]:
    return [vif.vif_name for vif in vifs]


def stable(row: str) -> list[str]:
    """Return the columns of a row that ovs-vswitchd does not write by itself."""
    written = ("statistics", "link_", "admin_state", "duplex", "status", "mtu  ", "ifindex")
    return [line for line in row.splitlines() if not line.startswith(written)]


def test_a_row_with_a_wrong_address_hides_no_other_port(br_int):
    """Another program has written the row."""
    good, bad = orphan_ids(2)
    add_orphans(br_int, [good, bad])
    br_int.vsctl("--no-wait", "set", "Interface", f"tap{bad[:11]}", "external_ids:attached-mac=no")
    inventory = os_vif.inventory()
    assert ([entry.id for entry in inventory], inventory.errors) == ([good], ())


@pytest.fixture
def batches(monkeypatch):
    """Provide the number of VIFs of each batch."""
    sizes = []

    def counting(pairs):
        sizes.append(len(pairs))
        return unplug_many(pairs)

    unplug_many = os_vif.unplug_many
    monkeypatch.setattr(os_vif, "unplug_many", counting)
    return sizes


def test_vifs_are_unplugged_in_batches_up_to_the_limit(br_int, batches):
    ids = orphan_ids(80)
    add_orphans(br_int, ids)
    rules = {"unowned": True, "pending": True, "older_than": 0, "observations": 1}
    report = os_vif.collect(lambda _: False, limit=70, **rules)
    assert batches == [64, 6]
    assert [result.entry.id for result in report.results] == ids
    assert [result.entry.id for result in report.removed] == ids[:70]
    assert {str(result.outcome) for result in report.results[70:]} == {"waiting"}
    assert "limit of 70" in report.results[70].reason


def test_a_vif_that_was_plugged_again_leaves_its_batch_and_the_limit_to_others(br_int, batches):
    vifs = [ovs_vif(number=number, **TAP) for number in range(4)]
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)

    def plug_again(entry):
        if entry.id == vifs[1].id:
            os_vif.unplug(vifs[1], INSTANCE)
            os_vif.plug(vifs[1], INSTANCE)
        return False

    report = os_vif.collect(plug_again, older_than=0, observations=1, limit=3, pending=True)
    assert [str(result.outcome) for result in report.results] == [
        "removed", "changed", "removed", "removed",
    ]  # fmt: skip
    assert batches == [2, 1]
    assert br_int.vsctl("list-ports", "br-int").split() == [vifs[1].vif_name]
