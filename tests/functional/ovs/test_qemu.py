# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A guest of QEMU on what the ``ovs`` plugin has plugged: a user's whole way."""

from __future__ import annotations

import re
import time

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import changes, differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.guests.qemu import Card, Machine
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
#: The VIFs of the guest, and whether each has a bridge of its own. The tap device of the last two
#: is made by the hypervisor.
VIFS = {
    "tap": (ovs_vif(number=0, create_port=True, create_tap=True, multiqueue=True), False),
    "own-bridge": (ovs_vif(number=1, create_tap=True, datapath_type="netdev"), True),
    "port": (ovs_vif(number=2, create_port=True), False),
    "hybrid": (ovs_vif(objects.VIFBridge, number=3), False),
}


def network(number: int, host: int) -> str:
    """The address of a host in a network of its own for each VIF."""
    return f"192.0.2.{64 * number + host}"


@pytest.fixture
def other(br_int):
    """A host in all of the networks, behind a port of the integration bridge."""
    with Guest() as other:
        run(f"""set -e
        ip link add name other type veth peer name eth0 netns {other.pid}
        ip link set dev other up
        """)
        for number in range(len(VIFS)):
            other.configure(f"{network(number, 1)}/26")
        br_int.add_port("br-int", "other")
        yield other


def plug(ovs_options, **options: object) -> None:
    for vif, own in VIFS.values():
        ovs_options(per_port_bridge=own, **options)
        os_vif.plug(vif, INSTANCE)


def attached(vif, queues: int = 1) -> Card:
    return Card(vif.vif_name, str(vif.address), queues)


def devices() -> set[str]:
    return {link["ifname"] for link in ip("link")}


def appeared(tap: str) -> None:
    """QEMU has made its tap device."""
    deadline = time.monotonic() + 30
    while tap not in devices():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(machine: Machine, log: str) -> list[int]:
    """The numbers of the echo requests that were answered so far."""
    return [int(number) for number in re.findall(r" seq=(\d+) ", machine.run(f"cat {log}"))]


def test_a_guest_boots_and_reaches_the_network_while_it_is_plugged_again(
    made_lab, br_int, other, ovs_options, tmp_path_factory
):
    """On each kind of VIF, both ways. nova's restart loses it no packet; nothing is left of it."""
    require_tun()
    before = snapshot()
    plug(ovs_options)
    tap, own, port, hybrid = (vif for vif, _ in VIFS.values())
    assert [d.pending for d in os_vif.check(port, INSTANCE)] == [True]
    cards = (attached(tap, queues=2), attached(own), attached(port), attached(hybrid))
    with Machine(made_lab, tmp_path_factory.mktemp("qemu"), *cards) as machine:
        # As libvirt does it, whose devices these are.
        for vif in (port, hybrid):
            appeared(vif.vif_name)
            run(f"ip link set dev {vif.vif_name} mtu {vif.network.mtu} up")
        run(f"ip link set dev {hybrid.vif_name} master {hybrid.bridge_name}")
        machine.booted()
        for number, (vif, _) in enumerate(VIFS.values()):
            name = machine.configure(vif.address, f"{network(number, 2)}/26")
            if vif is tap:
                assert "rx-1" in machine.run(f"ls /sys/class/net/{name}/queues")
            machine.run(f"ping -c 1 {network(number, 1)}")
            other.ping(network(number, 2))
        assert [d for vif, _ in VIFS.values() for d in os_vif.check(vif, INSTANCE)] == []
        plugged = br_int.dump()
        logs = [f"/log{number}" for number in range(len(VIFS))]
        for number, log in enumerate(logs):
            machine.run(f"ping -i 0.1 {network(number, 1)} >{log} &")
        # A nova-compute that starts, with another configuration.
        os_vif.initialize(reset=True)
        for _ in range(3):
            plug(ovs_options, isolate_vif=True, default_qos_type="linux-htb")
        assert changes(plugged, br_int.dump()) == []
        for log in logs:
            so_far = len(answers(machine, log))
            while len(numbers := answers(machine, log)) < so_far + 3:
                time.sleep(0.1)
            assert numbers == list(range(len(numbers)))
    for vif, _ in VIFS.values():
        os_vif.unplug(vif, INSTANCE)
    assert differences(without_indexes(before), indexes=False) == []
    assert not {vif.vif_name for vif, _ in VIFS.values()} & devices()
