# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``sriov`` plugin: a virtual function (VF), passed to the guest or below a macvtap device.

The card forwards the packets of the VF. The settings of the VF (MAC address, VLAN, rate, trust)
are changed through the physical function.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from os_vif import exception, objects, vif_fields
from os_vif.escape import with_article
from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import functions
from os_vif.host.state import vf_allocations
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
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
    from collections.abc import Iterable

    from os_vif.host.sriov.functions import Vf
    from os_vif.recognition import Candidate, HostSnapshot
    from os_vif.steps.kernel_step import KernelStep

#: Settings of a port profile. The fields of the profile and of the step have the same names.
_SETTINGS = tuple(name for version in objects.VIFPortProfileSRIOV.history for name in version.adds)
#: Mode of a macvtap device in ip(8) and in the step, by the mode of a VIF.
_MODES = {"vepa": "vepa", "bridge": "bridge", "passthrough": "passthru"}
_VF = "a virtual function"
_OFFLOAD = "vif.port_profile.datapath_offload"


#: The classes of VIFs of the plugin.
SriovVIF: TypeAlias = objects.VIFDirect | objects.VIFHostDevice


class SriovPlugin(PluginBase[SriovVIF]):
    """The ``sriov`` plugin, for the classes ``VIFHostDevice`` and ``VIFDirect``."""

    privsep_module = "os_vif.plugins.sriov_privsep"

    def describe(self) -> objects.HostPluginInfo:
        profiles = (objects.VIFPortProfileBase, objects.VIFPortProfileSRIOV)
        return host_info.describe(
            "sriov", {objects.VIFDirect: profiles, objects.VIFHostDevice: profiles}
        )

    def plan_plug(self, vif: SriovVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return steps that set the MAC address and the port profile's settings of the VF.

        A vDPA device, or the macvtap device of a ``VIFDirect``, is created too. Another VF that
        the VIF owned before is released.

        :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
        """
        _require_kind(vif)
        _require_no_switch(vif)
        _require_guest_has_vdpa(vif)
        mac, user = vif_fields.mac(vif), vif_fields.port_id(vif)
        function, pf = _virtual_function(vif)
        _require_unused(function)
        set_vf = functools.partial(
            SetVf, pf, function.number, function.address, user, **_settings(vif)
        )
        # The VF of an earlier plug, if nova has assigned another VF to the VIF since.
        others = [
            address for address in vf_allocations.vfs_of(user) if address != function.address
        ]
        release = [ReleaseVf(address, user) for address in others]
        try:
            if isinstance(vif, objects.VIFHostDevice):
                vdpa = [EnsureVdpa(*named) for named in _vdpa_device(vif)]
                return Plan(*release, set_vf(mac=mac), *vdpa)
            return Plan(*release, *_macvtap_steps(vif, function, mac, set_vf))
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _FIELD_SOURCES) from error

    def plan_unplug(self, vif: SriovVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return steps that restore the settings of the VF from before the plug.

        The VF may be in another network namespace, or bound to vfio-pci.
        """
        if vif_fields.is_only_record(vif):
            return Plan()
        _require_kind(vif)
        address, user = vif_fields.pci_address(vif), vif_fields.port_id(vif)
        try:
            # Release the recorded VFs also: ``dev_address`` may have changed since the plug.
            addresses = {address: None, **dict.fromkeys(vf_allocations.vfs_of(user))}
            release = [ReleaseVf(address, user) for address in addresses]
            if isinstance(vif, objects.VIFHostDevice):
                return Plan(*(DeleteVdpa(*named) for named in _vdpa_device(vif)), *release)
            return Plan(DeleteLink(vif_fields.named(vif, "vif_name")), *release)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _FIELD_SOURCES) from error

    def recognise(self, snapshot: HostSnapshot) -> Iterable[Candidate]:
        """Return the VIFs that own a virtual function."""
        from os_vif.plugins import sriov_recognition

        return sriov_recognition.recognise(snapshot)


#: The VIF field for each field of the steps, for errors.
_FIELD_SOURCES = {
    "user": "vif.id",
    "pci_address": "vif.dev_address",
    **{name: f"vif.port_profile.{name}" for name in _SETTINGS},
    "name": f"{_OFFLOAD}.device_name",
    "management_device": f"{_OFFLOAD}.management_device",
}


def _require_kind(vif: objects.VIFBase) -> None:
    """Raise InvalidField unless the plugin supports the class of the VIF."""
    if not isinstance(vif, objects.VIFHostDevice | objects.VIFDirect):
        raise vif_fields.invalid(
            "vif", with_article(vif.obj_name()), "a VIFHostDevice or VIFDirect"
        )


def _offload(vif: objects.VIFBase) -> objects.DatapathOffloadBase | None:
    """Return the ``datapath_offload`` of the port profile, or None."""
    profile = vif_fields.get(vif, "port_profile")
    return vif_fields.get(profile, "datapath_offload") if profile is not None else None


def _vdpa_device(vif: objects.VIFBase) -> list[tuple[str, str, str | None]]:
    """Return the vDPA device of a VIF: name, management device and MAC address; or an empty list.

    :raises os_vif.exception.InvalidField: if the offload has no ``device_name``.
    """
    offload = _offload(vif)
    if not isinstance(offload, objects.DatapathOffloadVDPA):
        return []
    name = vif_fields.get(offload, "device_name")
    if not name:
        raise vif_fields.invalid(f"{_OFFLOAD}.device_name", "unset", "the name of a vDPA device")
    # By default the vDPA device is on the VF: network cards register a management device per VF.
    management = (
        vif_fields.get(offload, "management_device") or f"pci/{vif_fields.pci_address(vif)}"
    )
    mac = vif_fields.get(offload, "mac_address") or vif_fields.get(vif, "address")
    return [(name, management, mac)]


def _require_guest_has_vdpa(vif: objects.VIFBase) -> None:
    """Raise InvalidField for a vDPA device of a VIFDirect."""
    if isinstance(vif, objects.VIFDirect) and _vdpa_device(vif):
        raise vif_fields.invalid(
            _OFFLOAD, "DatapathOffloadVDPA", "none, because the guest uses macvtap"
        )


def _require_no_switch(vif: objects.VIFBase) -> None:
    """Raise InvalidField for a VF with a representor: the ``ovs`` plugin supports representors."""
    offload = _offload(vif)
    if isinstance(offload, objects.DatapathOffloadRepresentor):
        expected = "no representor; use the ovs plugin for a VF with a representor"
        raise vif_fields.invalid(_OFFLOAD, offload.obj_name(), expected)


def _virtual_function(vif: objects.VIFBase) -> tuple[Vf, str]:
    """Return the virtual function of a VIF, and the network interface of the physical function.

    :raises os_vif.exception.InvalidField: if ``dev_address`` is not the address of a VF.
    """
    address = vif_fields.pci_address(vif)
    try:
        function = functions.vf(address)
        return function, functions.pf_device(function)
    except OSError as error:
        raise vif_fields.invalid("vif.dev_address", error.strerror, _VF) from error


def _require_unused(function: Vf) -> None:
    """Raise InvalidField if the host uses the VF: the network interface has a master."""
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
    """Return the settings of the port profile, as arguments of ``SetVf``."""
    profile = vif_fields.get(vif, "port_profile")
    if not isinstance(profile, objects.VIFPortProfileSRIOV):
        return {}
    return {name: vif_fields.get(profile, name) for name in _SETTINGS}


def _macvtap_steps(
    vif: objects.VIFBase, function: Vf, mac: str, set_vf: functools.partial[SetVf]
) -> tuple[KernelStep, ...]:
    """Return the steps for a macvtap device on a VF.

    :raises os_vif.exception.InvalidField: if a field is unusable, or the VF has no network
        interface in the host's network namespace.
    """
    name, mode = vif_fields.named(vif, "vif_name"), vif_fields.get(vif, "mode")
    if mode not in _MODES:
        raise vif_fields.invalid("vif.mode", mode or "unset", f"one of {', '.join(_MODES)}")
    link = functions.vf_device(function)
    if link is None:
        found = f"{function.address}, which has no network device here"
        expected = f"{_VF} bound to the network driver of the card"
        raise vif_fields.invalid("vif.dev_address", found, expected)
    # In mode passthrough the VF and the macvtap device have the same MAC address. In other modes
    # the addresses must differ: the VF's driver adds the macvtap device's address to the card.
    address = mac if mode == "passthrough" else None
    return (
        set_vf(mac=address, link=link, link_ipv6=False, link_up=True, link_address=address),
        EnsureMacvlan(name, link, _MODES[mode], tap=True),
        # The device has the guest's MAC address: an IPv6 link-local address of the host would be
        # the guest's address.
        SetSysctl(name, "disable_ipv6", 1, only_managed=True),
        SetLink(name, address=mac, up=True),
    )
