# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of the plugin sriov on the card of a virtual machine, and changes by a plug."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.host_snapshots import ip
from testbed.vm import cards

RECORDS = pathlib.Path("/run/os-vif")


ALL = {
    "vlan": 42,
    "vlan_qos": 3,
    "trusted": True,
    "spoof_check": False,
    "max_tx_rate": 100,
}


@pytest.fixture
def namespace() -> Iterator[None]:
    """Use the network namespace of the machine, which has the card."""
    yield
    for path in RECORDS.glob("vf-*"):
        path.unlink()


def of_vf(address: str, number: int = 0, **settings: object) -> objects.VIFHostDevice:
    return objects.VIFHostDevice(
        id=f"{number}a0b0c0d-1111-4222-8333-444455556666",
        address=f"02:11:22:33:44:{number:02x}",
        plugin="sriov",
        dev_type="ethernet",
        dev_address=address,
        network=objects.Network(mtu=1500),
        port_profile=objects.VIFPortProfileSRIOV(**settings),
    )


def macvtap(address: str, mode: str, **settings: object) -> objects.VIFDirect:
    vif = of_vf(address, **settings)
    return objects.VIFDirect(
        id=vif.id,
        address=vif.address,
        plugin="sriov",
        vif_name="macvtap0",
        dev_address=address,
        mode=mode,
        network=vif.network,
        port_profile=vif.port_profile,
    )


def vfs(card: cards.Card) -> list[dict]:
    """Return the output of ip(8) for the virtual functions of the card."""
    return ip("link", "show", card.name)[0]["vfinfo_list"]


def links() -> list[dict]:
    """Return all links without queue and carrier, which the driver of a VF sets later."""
    seen = ("ifname", "address", "flags", "mtu", "link")
    found = [{key: link[key] for key in seen if key in link} for link in ip("link", "show")]
    for link in found:
        link["flags"] = sorted({*link["flags"]} & {"UP", "PROMISC"})
    return found


def records() -> list[str]:
    return sorted(path.name for path in RECORDS.glob("vf-*"))


def refused(card: cards.Card, instance: objects.InstanceInfo, vif: objects.VIFBase) -> str:
    """Return the error of a failed plug, after a check that the plug changed nothing."""
    before = vfs(card), links(), records()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(vif, instance)
    assert (vfs(card), links(), records()) == before
    return str(info.value)
