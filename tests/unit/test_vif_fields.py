# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""os_vif.vif_fields reads the fields of a VIF for plugins, and names each unusable field."""

from __future__ import annotations

import pytest

from os_vif import exception, objects, vif_fields

PORT = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"
VIF = objects.VIFOpenVSwitch(
    id=PORT,
    address="fa:16:3e:00:00:01",
    vif_name="tap0",
    network=objects.Network(bridge="br0"),
    port_profile=objects.VIFPortProfileOpenVSwitch(interface_id=PORT),
)


def test_usable_fields_are_returned():
    """Each function returns the value of the field."""
    assert vif_fields.require_class(VIF, objects.VIFBridge, objects.VIFOpenVSwitch) is VIF
    assert vif_fields.get(VIF, "vif_name") == vif_fields.named(VIF, "vif_name") == "tap0"
    assert vif_fields.get(VIF, "bridge_name") is None
    assert vif_fields.network(VIF) is VIF.network
    assert vif_fields.network_bridge(VIF) == "br0"
    assert vif_fields.mac(VIF) == "fa:16:3e:00:00:01"
    assert vif_fields.port_id(VIF) == PORT
    assert vif_fields.ovs_profile(VIF) is VIF.port_profile
    assert vif_fields.pci_address(objects.VIFHostDevice(dev_address="0000:03:00.1")) == (
        "0000:03:00.1"
    )


@pytest.mark.parametrize(
    ("read", "field"),
    [
        (lambda vif: vif_fields.named(vif, "vif_name"), "vif.vif_name"),
        (vif_fields.network, "vif.network"),
        (vif_fields.network_bridge, "vif.network"),
        (vif_fields.mac, "vif.address"),
        (vif_fields.pci_address, "vif.dev_address"),
        (vif_fields.port_id, "vif.id"),
        (vif_fields.ovs_profile, "vif.port_profile"),
    ],
)
def test_unset_field_is_named(read, field):
    """The error has the path of the field, and what was found and expected."""
    with pytest.raises(exception.InvalidField) as raised:
        read(objects.VIFGeneric())
    assert raised.value.kwargs["field"] == field
    assert raised.value.kwargs["found"] == "unset"
    assert raised.value.kwargs["expected"]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((objects.VIFBridge,), "a VIFBridge"),
        ((objects.VIFBridge, objects.VIFDirect), "a VIFBridge or a VIFDirect"),
    ],
)
def test_vif_of_another_class_is_refused(classes, expected):
    """The error names the found and the accepted classes."""
    with pytest.raises(exception.InvalidField) as raised:
        vif_fields.require_class(VIF, *classes)
    assert raised.value.kwargs == {
        "field": "vif",
        "found": "a VIFOpenVSwitch",
        "expected": expected,
    }


def test_unusable_name_is_quoted():
    """A name that the kernel does not accept is in the error."""
    with pytest.raises(exception.InvalidField, match=r"vif\.vif_name.*'a/b'"):
        vif_fields.named(objects.VIFGeneric(vif_name="a/b"), "vif_name")
