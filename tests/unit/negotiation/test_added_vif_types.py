# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Ports with VIF types that nova does not pass to os-vif: SR-IOV, macvtap and vDPA."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation, objects, serialization
from os_vif.plugins import noop, sriov
from tests.support.negotiation.neutron_cases import PCI_ADDRESS, case


def host_info():
    """Return the HostInfo of a host with the plugins noop and sriov."""
    plugins = [noop.NoOpPlugin.load("noop"), sriov.SriovPlugin.load("sriov")]
    return objects.HostInfo(plugin_info=[plugin.describe() for plugin in plugins])


def vif_of(made):
    return negotiation.vif_of(*made.arguments())


@pytest.mark.parametrize("vnic_type", ["direct", "accelerator-direct"])
def test_a_virtual_function_is_for_the_sriov_plugin(vnic_type):
    """The VLAN id is a text in Neutron."""
    vif = vif_of(case("a VF", "hw_veb", vnic_type, port_filter=False, connectivity="l2", vlan="5"))
    assert isinstance(vif, objects.VIFHostDevice)
    assert (vif.plugin, vif.dev_address, vif.dev_type) == ("sriov", PCI_ADDRESS, "ethernet")
    assert isinstance(vif.port_profile, objects.VIFPortProfileSRIOV)
    assert vif.port_profile.vlan == 5
    assert not vif.port_profile.obj_attr_is_set("trusted")
    assert not vif.has_traffic_filtering


@pytest.mark.parametrize(
    ("trusted", "expected"), [("true", True), ("True", True), (True, True), ("false", None)]
)
def test_a_trusted_virtual_function_stays_trusted(trusted, expected):
    """Without trust the setting of the physical function does not change."""
    made = case("a VF", "hw_veb", "direct")
    made.port["binding:profile"]["trusted"] = trusted
    profile = vif_of(made).port_profile
    assert (profile.trusted if profile.obj_attr_is_set("trusted") else None) == expected
    assert not profile.obj_attr_is_set("vlan")


def test_macvtap_on_a_virtual_function_passes_the_function_through():
    vif = vif_of(case("a VF", "hw_veb", "macvtap", vlan="7"))
    assert isinstance(vif, objects.VIFDirect)
    assert (vif.plugin, vif.dev_address, vif.mode) == ("sriov", PCI_ADDRESS, "passthrough")
    assert (vif.vif_name, vif.port_profile.vlan) == ("tap11111111-22", 7)


def test_a_vdpa_device_is_made_on_the_virtual_function():
    vif = vif_of(case("a VF", "hw_veb", "vdpa"))
    offload = vif.port_profile.datapath_offload
    assert isinstance(vif, objects.VIFHostDevice)
    assert isinstance(offload, objects.DatapathOffloadVDPA)
    assert offload.device_name == "vdpa11111111-2"


@pytest.mark.parametrize("vnic_type", ["direct-physical", "accelerator-direct-physical"])
def test_a_physical_function_needs_no_plug(vnic_type):
    """The hypervisor assigns the device to the guest."""
    vif = vif_of(case("a PF", "hostdev_physical", vnic_type))
    assert isinstance(vif, objects.VIFHostDevice)
    assert (vif.plugin, vif.dev_address) == ("noop", PCI_ADDRESS)
    assert not vif.obj_attr_is_set("port_profile")


@pytest.mark.parametrize("vlan", [None, 101, "101"])
def test_macvtap_on_a_device_of_the_host_names_the_devices(vlan):
    """Details of Neutron's macvtap agent."""
    source = "eth1" if vlan is None else "eth1.101"
    details = {"macvtap_source": source, "macvtap_mode": "bridge", "physical_interface": "eth1"}
    if vlan is not None:
        details["vlan"] = vlan
    vif = vif_of(case("a macvtap port", "macvtap", **details))
    assert isinstance(vif, objects.VIFDirect)
    assert (vif.plugin, vif.mode, vif.vlan_name) == ("noop", "bridge", source)
    assert vif.network.bridge_interface == "eth1"
    assert vif.network.should_provide_vlan is (vlan is not None)
    assert vlan is None or vif.network.vlan == 101


@pytest.mark.parametrize(
    ("vif_type", "vnic_type"),
    [("hw_veb", "normal"), ("hw_veb", "direct-physical"), ("hostdev_physical", "direct")],
)
def test_a_vnic_type_of_another_vif_type_is_refused(vif_type, vnic_type):
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(case("a port", vif_type, vnic_type))
    assert raised.value.path == "port.binding:vnic_type"
    assert raised.value.found == repr(vnic_type)
    assert "direct" in raised.value.expected


def test_the_virtual_function_comes_from_the_profile():
    """nova writes the PCI address into the profile when nova assigns the device."""
    made = case("a VF", "hw_veb", "direct")
    del made.port["binding:profile"]["pci_slot"]
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made)
    assert str(raised.value) == (
        "port.binding:profile.pci_slot: found nothing; "
        "expected a PCI address, such as 0000:03:10.1."
    )


@pytest.mark.parametrize(
    ("vif_type", "vnic_type"),
    [
        ("ovs", "remote-managed"),
        ("hostdev_physical", "direct-physical"),
        ("macvtap", "normal"),
        ("hw_veb", "direct"),
        ("hw_veb", "macvtap"),
    ],
)
def test_the_host_of_our_plugins_can_plug_the_vif(vif_type, vnic_type):
    """The plugin noop offers fewer classes than the plugin has plans for."""
    details = {"macvtap_source": "eth1", "macvtap_mode": "vepa", "physical_interface": "eth1"}
    made = case("a port", vif_type, vnic_type, **details)
    offer = negotiation.of_host_info(serialization.dumps(host_info()))
    assert negotiation.bind(*made.arguments(), [offer]).losses == ()
