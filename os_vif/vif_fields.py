# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fields of a VIF, read and checked for plugins. Public, for authors of plugins.

Each function that returns a value raises :class:`os_vif.exception.InvalidField`, with the path of
the field, for an unset field and for a value that a plugin cannot use. Raised from ``plan_plug()``,
the error reaches the caller before any change to the host::

    def plan_plug(self, vif, instance_info):
        vif = vif_fields.require_class(vif, objects.VIFBridge)
        bridge = vif_fields.named(vif, "bridge_name")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from os_vif import exception, objects
from os_vif.escape import with_article
from os_vif.host import limits
from os_vif.host.netlink import rtnetlink
from os_vif.steps import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIF = TypeVar("_VIF", bound="objects.VIFBase")


def is_only_record(vif: objects.VIFBase) -> bool:
    """Return whether a VIF stands for a record whose devices belong to other VIFs.

    The inventory lists such a record as an object of the base class, which no plugin plugs. An
    unplug has no steps, and deletes the record.
    """
    return type(vif) is objects.VIFBase


def require_class(vif: objects.VIFBase, *classes: type[_VIF]) -> _VIF:
    """Return the VIF, checked to be of a class.

    :param classes: the accepted classes, with their subclasses.
    :raises os_vif.exception.InvalidField: for a VIF of another class.
    """
    if not isinstance(vif, classes):
        expected = " or ".join(with_article(cls.obj_name()) for cls in classes)
        raise invalid("vif", with_article(vif.obj_name()), expected)
    return vif


def get(thing: Any, field: str) -> Any:
    """Return the value of a field; None if unset, or unknown in the version of the object.

    :param thing: the VIF, the network of the VIF, or another object of os-vif.
    """
    # oslo.versionedobjects stores the value of a field in the attribute _obj_<field>. Testing with
    # "in" builds a list of all fields first, which is slow.
    return getattr(thing, f"_obj_{field}", None)


def invalid(field: str, found: object, expected: str) -> exception.InvalidField:
    """Return the error for a field, for a caller to raise.

    :param field: the path of the field, such as ``vif.network.mtu``.
    :param found: the found value, as text.
    :param expected: the accepted values, in words.
    """
    return exception.InvalidField(field=field, found=found, expected=expected)


def of_step(error: exception.InvalidStep, sources: Mapping[str, str]) -> exception.InvalidField:
    """Return the error of a step as an error of the VIF field or option with the refused value.

    :param sources: path of the VIF field or name of the option, by the field of the step.
    """
    field, expected = error.kwargs["field"], error.kwargs["expected"]
    return invalid(sources.get(field, f"The VIF's {field}"), repr(error.kwargs["found"]), expected)


def device_name(field: str, name: object) -> str:
    """Return a name, checked to be the name of a network interface.

    :param field: the path of the field with the name, for the error.
    """
    if not limits.is_device_name(name):
        raise invalid(field, "unset" if name is None else repr(name), validate.DEVICE_NAME)
    return name


def named(vif: objects.VIFBase, field: str) -> str:
    """Return the name of a network interface from a field of the VIF."""
    return device_name(f"vif.{field}", get(vif, field))


def require_no_alternative(field: str, name: str) -> None:
    """Raise InvalidField if a name is an alternative name of an existing network interface."""
    with rtnetlink.opened() as net:
        other = net.resolve(name)
    if other is not None and other.name != name:
        found = f"{name}, which is an alternative name of {other.name}"
        raise invalid(field, found, "an unused name")


def network(vif: objects.VIFBase) -> objects.Network:
    """Return the network of a VIF."""
    found: objects.Network | None = get(vif, "network")
    if found is None:
        raise invalid("vif.network", "unset", "a Network")
    return found


def network_bridge(vif: objects.VIFBase) -> str:
    """Return the name of the network's bridge."""
    name = get(network(vif), "bridge")
    if not validate.is_bridge_name(name):
        found = "unset" if name is None else repr(name)
        raise invalid("vif.network.bridge", found, validate.BRIDGE_NAME)
    return name


def mtu(vif: objects.VIFBase, config: Any, group: str) -> int:
    """Return the MTU of the network in bytes, or ``network_device_mtu`` if the network has none.

    :param config: the options of the plugin.
    :param group: name of the option group, for the error.
    """
    found, field = get(network(vif), "mtu"), "vif.network.mtu"
    if not found:
        found, field = config.network_device_mtu, f"[{group}]network_device_mtu"
    if not limits.is_mtu(found):
        raise invalid(field, found, validate.MTU)
    return found


def mac(vif: objects.VIFBase) -> str:
    """Return the MAC address of a VIF."""
    address = get(vif, "address")
    if not limits.is_mac(address):
        raise invalid("vif.address", address or "unset", "a MAC address")
    return address


def pci_address(vif: objects.VIFBase) -> str:
    """Return the PCI address of the VIF's device, unchecked."""
    address = get(vif, "dev_address")
    if not address:
        raise invalid("vif.dev_address", "unset", "a PCI address")
    return str(address)


def port_id(vif: objects.VIFBase) -> str:
    """Return the id of a VIF."""
    if not get(vif, "id"):
        raise invalid("vif.id", "unset", "the id of a Neutron port")
    return str(vif.id)


def ovs_profile(vif: objects.VIFBase) -> objects.VIFPortProfileOpenVSwitch:
    """Return the Open vSwitch port profile of a VIF."""
    profile = get(vif, "port_profile")
    if not isinstance(profile, objects.VIFPortProfileOpenVSwitch):
        found = "unset" if profile is None else with_article(profile.obj_name())
        raise invalid("vif.port_profile", found, "a VIFPortProfileOpenVSwitch")
    return profile
