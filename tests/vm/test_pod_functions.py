# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Virtual functions of a PCI card in the network namespaces of pods."""

from __future__ import annotations

import json
import pathlib

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.cni.call_handler import CallHandler
from os_vif.engine import runner
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.testing.conformance_checks import with_failing_step
from testbed.vm import cards
from tests.support import cni
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


@pytest.mark.soak
def test_a_failed_plug_restores_the_mac_address_of_a_virtual_function(igb):
    """The driver refuses the address before the physical function has released the VIF's."""
    vif = of_vf(igb.vf(0).name)
    before = links()
    with new_pod() as netns:
        plan = os_vif.plan_pod(vif, POD, Sandbox(netns, "net1"))
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(plan, len(plan)), PRIVSEP_MODULE)
        assert "by hand" not in str(info.value)
        assert (links(), records()) == (before, [])


@pytest.mark.soak
def test_a_virtual_function_of_the_cni_capability_device_id(igb, tmp_path):
    address, info = igb.vf(0).name, tmp_path / "device.json"
    mac, before = "02:11:22:33:44:77", links()
    configuration = {
        "cniVersion": "1.1.0",
        "name": "net",
        "type": "os-vif-cni",
        "mtu": 1400,
        "runtimeConfig": {
            "deviceID": address,
            "mac": mac,
            "ips": ["10.6.0.5/24"],
            "CNIDeviceInfoFile": str(info),
        },
    }
    path = tmp_path / "cni.sock"
    with cni.serving(path, CallHandler().answer), cni.pod_namespace("vf-cni") as netns:
        runtime = cni.Runtime(cni.PYTHON_CLIENT, path, netns=netns)
        result = runtime.call("ADD", configuration).result
        assert result["interfaces"] == [
            {"name": "eth0", "mac": mac, "mtu": 1400, "sandbox": netns, "pciID": address}
        ]
        assert json.loads(info.read_text())["pci"] == {"pci-address": address}
        assert cni.links_in(netns)["eth0"]["address"] == mac
        assert cni.addresses_in(netns) == ["10.6.0.5/24"]
        runtime.call("CHECK", configuration | {"prevResult": result}).succeeded()
        runtime.call("DEL", configuration, CNI_NETNS=None).succeeded()
        assert list(cni.links_in(netns)) == ["lo"]
    assert (links(), records(), info.exists()) == (before, [], False)
