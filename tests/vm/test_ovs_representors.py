# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin and virtual functions of a PCI card, with the kernel's datapath."""

from __future__ import annotations

import pathlib

import pytest

import os_vif
from os_vif import objects
from tests.functional.cases import ovs_vif
from tests.functional.namespaces import changes, ip, snapshot
from tests.functional.ovs import row
from tests.functional.test_ovs_plugin import INSTANCE

pytestmark = pytest.mark.vm("igb")


@pytest.fixture
def namespace():
    """The machine's own, where its card is."""


def of_vf(address: str, number: int) -> objects.VIFHostDevice:
    vif = ovs_vif(number=number)
    return objects.VIFHostDevice(
        id=vif.id,
        address=vif.address,
        plugin="ovs",
        dev_type="ethernet",
        dev_address=address,
        network=vif.network,
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id=vif.id,
            datapath_type="system",
            datapath_offload=objects.DatapathOffloadRepresentor(representor_name="ignored"),
        ),
    )


def links_and_rows() -> dict:
    """Not addresses: the card's own has one whose time runs off."""
    state = snapshot()
    return {key: state[key] for key in ("links", "switches")}


def test_what_stands_for_a_vf_is_a_port(igb, representors, br_int):
    """Found by the PCI address; a plug again changes nothing. Unplug leaves the device, down.

    The port goes also when the virtual functions have gone.
    """
    before = br_int.dump()
    vifs = [of_vf(igb.vf(number).name, number) for number in range(2)]
    names = [representors[f"pf0vf{number}"] for number in range(2)]
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)
        assert os_vif.check(vif, INSTANCE) == ()
    assert br_int.vsctl("list-ports", "br-int").split() == sorted(names)
    for name, vif in zip(names, vifs, strict=True):
        assert row(br_int, "Interface", name, "ofport", "error")[0].isdecimal()
        assert row(br_int, "Interface", name, "external_ids:iface-id") == [f'"{vif.id}"']
        (link,) = ip("link", "show", name)
        assert (link["master"], link["mtu"]) == ("ovs-system", 1450)
        assert "UP" in link["flags"]
        off = pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        assert off.read_text() == "1\n"
    plugged = links_and_rows()
    os_vif.plug(vifs[0], INSTANCE)
    assert changes(plugged, links_and_rows()) == []
    os_vif.unplug(vifs[0], INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == names[1]
    assert "UP" not in ip("link", "show", names[0])[0]["flags"]
    igb.set_vfs(0)
    os_vif.unplug(vifs[1], INSTANCE)
    assert changes(before, br_int.dump()) == []
