# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Virtual functions of a PCI card in the network namespaces of pods."""

from __future__ import annotations

import pathlib

import pytest

import os_vif
from os_vif import Sandbox
from testbed.vm import cards
from tests.support.pod_cases import POD, network_of, new_pod, pod_ip, subnet
from tests.support.vm.virtual_functions import links, namespace, of_vf, records

# A fixture.
__all__ = ["namespace"]

pytestmark = [pytest.mark.vm("igb"), pytest.mark.usefixtures("daemon")]


def test_a_virtual_function_goes_into_a_pod_and_back(igb):
    address = igb.vf(0).name
    vif = of_vf(address)
    vif.network = network_of(subnet("10.6.0.0/24", "10.6.0.5"), mtu=1400)
    before = links()
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        result = os_vif.plug_pod(vif, POD, sandbox)
        assert result.pci_id == address
        assert igb.vf_name(0) is None
        (net1,) = pod_ip(netns, "link", "show", "net1")
        assert (net1["address"], net1["mtu"]) == (vif.address, 1400)
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.unplug_pod(vif, POD, sandbox)
        assert links() == before
        # The pod ends first: the kernel returns the device.
        os_vif.plug_pod(vif, POD, sandbox)
    # A Sandbox refers to the namespace, which does not end before.
    del sandbox
    devices = pathlib.Path(f"/sys/bus/pci/devices/{address}/net")
    cards.wait_until(lambda: list(devices.glob("*")), "the device of the virtual function")
    os_vif.unplug_pod(vif, POD, Sandbox(None, "net1"))
    assert (links(), records()) == (before, [])
