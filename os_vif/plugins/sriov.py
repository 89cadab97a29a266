# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A virtual function without a switch on the host: for the guest, or below a macvtap device.

The card forwards for it; what it may send and receive is set through its physical function.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import functions
from os_vif.host.state import vf_allocations
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.plugins import vif_fields
from os_vif.steps import (
    DeleteLink,
    DeleteVdpa,
    EnsureMacvlan,
    EnsureVdpa,
    ReleaseVf,
    SetLink,
    SetSysctl,
    SetVf,
)
from os_vif.steps.plan import Plan

if TYPE_CHECKING:
    from os_vif.host.sriov.functions import Vf
    from os_vif.steps.kernel_step import KernelStep

#: What a profile can set: the fields have the names that the step's have.
_SETTINGS = tuple(name for version in objects.VIFPortProfileSRIOV.history for name in version.adds)
#: By the mode of a VIF, how ip(8) and the step call it.
_MODES = {"vepa": "vepa", "bridge": "bridge", "passthrough": "passthru"}
_VF = "a virtual function"
_OFFLOAD = "vif.port_profile.datapath_offload"


class SriovPlugin(PluginBase):
    privsep_module = "os_vif.plugins.sriov_privsep"

    def describe(self) -> objects.HostPluginInfo:
        profiles = (objects.VIFPortProfileBase, objects.VIFPortProfileSRIOV)
        return host_info.describe(
            "sriov", {objects.VIFDirect: profiles, objects.VIFHostDevice: profiles}
        )

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The virtual function has the VIF's MAC address, and what the port profile sets.

        :raises os_vif.exception.InvalidField: for a VIF that cannot be plugged as it is.
        """
        _require_kind(vif)
        _require_no_switch(vif)
        _require_guest_has_vdpa(vif)
        mac, user = vif_fields.mac(vif), vif_fields.port_id(vif)
        function, pf = _function(vif)
        _require_unused(function)
        set_vf = functools.partial(
            SetVf, pf, function.number, function.address, user, **_settings(vif)
        )
        # One that it had before it got this one.
        others = [
            address for address in vf_allocations.held_by(user) if address != function.address
        ]
        release = [ReleaseVf(address, user) for address in others]
        try:
            if isinstance(vif, objects.VIFHostDevice):
                vdpa = [EnsureVdpa(*named) for named in _vdpa(vif)]
                return Plan(*release, set_vf(mac=mac), *vdpa)
            return Plan(*release, *_macvtap(vif, function, mac, set_vf))
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _SOURCES) from error

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The virtual function has what it had before, wherever it is by now."""
        _require_kind(vif)
        address, user = vif_fields.pci_address(vif), vif_fields.port_id(vif)
        try:
            # What it really has, whatever the VIF says by now.
            addresses = {address: None, **dict.fromkeys(vf_allocations.held_by(user))}
            release = [ReleaseVf(address, user) for address in addresses]
            if isinstance(vif, objects.VIFHostDevice):
                return Plan(*(DeleteVdpa(*named) for named in _vdpa(vif)), *release)
            return Plan(DeleteLink(vif_fields.named(vif, "vif_name")), *release)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _SOURCES) from error


#: Where a step has it from, by the step's field.
_SOURCES = {
    "user": "vif.id",
    "pci_address": "vif.dev_address",
    **{name: f"vif.port_profile.{name}" for name in _SETTINGS},
    "name": f"{_OFFLOAD}.device_name",
    "management_device": f"{_OFFLOAD}.management_device",
}


def _require_kind(vif: objects.VIFBase) -> None:
    if not isinstance(vif, objects.VIFHostDevice | objects.VIFDirect):
        raise vif_fields.invalid("vif", f"a {vif.obj_name()}", "a VIFHostDevice or VIFDirect")


def _offload(vif: objects.VIFBase) -> objects.DatapathOffloadBase | None:
    profile = vif_fields.get(vif, "port_profile")
    return vif_fields.get(profile, "datapath_offload") if profile is not None else None


def _vdpa(vif: objects.VIFBase) -> list[tuple[str, str, str | None]]:
    """The vDPA device that the VIF has, as its steps take it; none for most VIFs."""
    offload = _offload(vif)
    if not isinstance(offload, objects.DatapathOffloadVDPA):
        return []
    name = vif_fields.get(offload, "device_name")
    if not name:
        raise vif_fields.invalid(f"{_OFFLOAD}.device_name", "unset", "the name of a vDPA device")
    # Those of cards are made on the virtual function.
    management = (
        vif_fields.get(offload, "management_device") or f"pci/{vif_fields.pci_address(vif)}"
    )
    mac = vif_fields.get(offload, "mac_address") or vif_fields.get(vif, "address")
    return [(name, management, mac)]


def _require_guest_has_vdpa(vif: objects.VIFBase) -> None:
    if isinstance(vif, objects.VIFDirect) and _vdpa(vif):
        raise vif_fields.invalid(_OFFLOAD, "DatapathOffloadVDPA", "none: the guest has macvtap")


def _require_no_switch(vif: objects.VIFBase) -> None:
    offload = _offload(vif)
    if isinstance(offload, objects.DatapathOffloadRepresentor):
        expected = "none: a representor is a port of a switch, which is for the ovs plugin"
        raise vif_fields.invalid(_OFFLOAD, offload.obj_name(), expected)


def _function(vif: objects.VIFBase) -> tuple[Vf, str]:
    """The virtual function, and the device of its physical function."""
    address = vif_fields.pci_address(vif)
    try:
        function = functions.vf(address)
        return function, functions.pf_device(function)
    except OSError as error:
        raise vif_fields.invalid("vif.dev_address", error.strerror, _VF) from error


def _require_unused(function: Vf) -> None:
    """The host may have one as an uplink of its own."""
    device = functions.vf_device(function)
    if device is None:
        return
    with rtnetlink.opened() as net:
        link = net.link(device)
        master = net.link_at(link.master) if link is not None and link.master else None
    if master is not None:
        found = f"{function.address}, whose device {device} is in {master.name}"
        raise vif_fields.invalid("vif.dev_address", found, f"{_VF} that the host does not use")


def _settings(vif: objects.VIFBase) -> dict[str, Any]:
    profile = vif_fields.get(vif, "port_profile")
    if not isinstance(profile, objects.VIFPortProfileSRIOV):
        return {}
    return {name: vif_fields.get(profile, name) for name in _SETTINGS}


def _macvtap(
    vif: objects.VIFBase, function: Vf, mac: str, set_vf: functools.partial[SetVf]
) -> tuple[KernelStep, ...]:
    name, mode = vif_fields.named(vif, "vif_name"), vif_fields.get(vif, "mode")
    if mode not in _MODES:
        raise vif_fields.invalid("vif.mode", mode or "unset", f"one of {', '.join(_MODES)}")
    link = functions.vf_device(function)
    if link is None:
        found = f"{function.address}, which has no network device here"
        expected = f"{_VF} with the driver of its card"
        raise vif_fields.invalid("vif.dev_address", found, expected)
    # In that mode both have one address. In the others they must not: the driver of the function
    # tells the card of the second one.
    address = mac if mode == "passthrough" else None
    return (
        set_vf(mac=address, link=link, link_ipv6=False, link_up=True, link_address=address),
        EnsureMacvlan(name, link, _MODES[mode], tap=True),
        # It has the guest's MAC address: one of IPv6 would be the guest's too.
        SetSysctl(name, "disable_ipv6", 1, only_managed=True),
        SetLink(name, address=mac, up=True),
    )
