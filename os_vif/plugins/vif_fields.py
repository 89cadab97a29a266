# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a plugin reads of a VIF. What it cannot plug is an InvalidField that names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.host.netlink import rtnetlink
from os_vif.steps import validate

if TYPE_CHECKING:
    from collections.abc import Mapping


def get(thing: Any, field: str) -> Any:
    """A field; None if it is unset, or unknown to the version that was sent."""
    # What "in" asks oslo.versionedobjects too, which first makes a list of all fields.
    return getattr(thing, f"_obj_{field}", None)


def invalid(field: str, found: object, expected: str) -> exception.InvalidField:
    return exception.InvalidField(field=field, found=found, expected=expected)


def of_step(error: exception.InvalidStep, sources: Mapping[str, str]) -> exception.InvalidField:
    """What a step does not take came from the VIF, or from the configuration.

    :param sources: what is told, by the field of the step.
    """
    field, expected = error.kwargs["field"], error.kwargs["expected"]
    return invalid(sources.get(field, f"The VIF's {field}"), repr(error.kwargs["found"]), expected)


def device_name(field: str, name: object) -> str:
    if not validate.is_device_name(name):
        raise invalid(field, "unset" if name is None else repr(name), validate.DEVICE_NAME)
    return name


def named(vif: objects.VIFBase, field: str) -> str:
    """A field of the VIF that names a device."""
    return device_name(f"vif.{field}", get(vif, field))


def require_no_alternative(field: str, name: str) -> None:
    """Raise an InvalidField if the name of a VIF's device is an alternative name of another one."""
    with rtnetlink.opened() as net:
        other = net.resolve(name)
    if other is not None and other.name != name:
        found = f"{name}, which is an alternative name of {other.name}"
        raise invalid(field, found, "a name that no other device has")


def network(vif: objects.VIFBase) -> objects.Network:
    found: objects.Network | None = get(vif, "network")
    if found is None:
        raise invalid("vif.network", "unset", "a Network")
    return found


def network_bridge(vif: objects.VIFBase) -> str:
    name = get(network(vif), "bridge")
    if not validate.is_bridge_name(name):
        found = "unset" if name is None else repr(name)
        raise invalid("vif.network.bridge", found, validate.BRIDGE_NAME)
    return name


def mtu(vif: objects.VIFBase, config: Any, group: str) -> int:
    """Bytes, of the VIF's network; of the options of a group, for a network that has none."""
    found, field = get(network(vif), "mtu"), "vif.network.mtu"
    if not found:
        found, field = config.network_device_mtu, f"[{group}]network_device_mtu"
    if not validate.is_mtu(found):
        raise invalid(field, found, validate.MTU)
    return found


def mac(vif: objects.VIFBase) -> str:
    address = get(vif, "address")
    if not validate.is_mac(address):
        raise invalid("vif.address", address or "unset", "a MAC address")
    return address


def pci_address(vif: objects.VIFBase) -> str:
    address = get(vif, "dev_address")
    if not address:
        raise invalid("vif.dev_address", "unset", "a PCI address")
    return str(address)


def port_id(vif: objects.VIFBase) -> str:
    if not get(vif, "id"):
        raise invalid("vif.id", "unset", "the id of a Neutron port")
    return str(vif.id)


def ovs_profile(vif: objects.VIFBase) -> objects.VIFPortProfileOpenVSwitch:
    profile = get(vif, "port_profile")
    if not isinstance(profile, objects.VIFPortProfileOpenVSwitch):
        found = "unset" if profile is None else f"a {profile.obj_name()}"
        raise invalid("vif.port_profile", found, "a VIFPortProfileOpenVSwitch")
    return profile
