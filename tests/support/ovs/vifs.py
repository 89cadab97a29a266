# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs for Open vSwitch, a guest for each VIF, and steps on a switch."""

from __future__ import annotations

import contextlib

from os_vif import objects
from os_vif.engine.failure import StepFailure
from os_vif.engine.ovs import ovs_transaction
from os_vif.steps.ovs.step import OvsStep
from os_vif.testing.guests import Guest, Hypervisor
from os_vif.testing.private_namespaces import run
from os_vif.testing.tap_bridge import TapBridge
from os_vif.vif_fields import get
from tests.support.cases import ovs_vif

TAP = {"create_port": True, "create_tap": True}


INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


HYBRID, VHOST_USER = objects.VIFBridge, objects.VIFVHostUser


@contextlib.contextmanager
def guest_on(vif, address):
    """Provide a guest with a network card on a VIF, as libvirt connects a card."""
    with Guest() as guest, Hypervisor() as hypervisor:
        if isinstance(vif, HYBRID):
            hypervisor.attach(guest, vif, address)
            yield guest
        elif get(vif.port_profile, "create_tap"):
            queues = bool(get(vif.port_profile, "multiqueue"))
            with TapBridge(guest, vif.vif_name, str(vif.address), address, multi_queue=queues):
                yield guest
        else:
            name = vif.vif_name
            run(f"ip link add name {name} type veth "
                f"peer name eth0 address {vif.address} netns {guest.pid}; "
                # libvirt adds the tap device to the bridge of the network.
                f"ip link set dev {name} mtu {vif.network.mtu} up")  # fmt: skip
            guest.configure(address)
            yield guest


VIFS = {
    "hypervisor": lambda n: ovs_vif(number=n, create_port=True),
    "tap": lambda n: ovs_vif(number=n, **TAP, datapath_type="netdev"),
    "multiqueue": lambda n: ovs_vif(number=n, **TAP, multiqueue=True, datapath_type="netdev"),
    "hybrid": lambda n: ovs_vif(HYBRID, number=n),
    "own-bridge": lambda n: ovs_vif(number=n, **TAP, datapath_type="netdev"),
}


def apply_steps(ovsdb, steps) -> list[OvsStep]:
    """Apply all of the steps, or no step, as the engine does; return the undo steps."""
    committed = ovs_transaction.commit(ovsdb, steps)
    try:
        committed.wait_for_vswitchd()
    except StepFailure as failure:
        committed.roll_back(failure)
        raise
    return committed.undo
