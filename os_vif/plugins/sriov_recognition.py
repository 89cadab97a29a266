# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognises the VIFs of the ``sriov`` plugin by the allocations of virtual functions."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from os_vif import objects
from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import functions, vf_settings
from os_vif.host.state import vf_allocations
from os_vif.recognition import Candidate
from os_vif.steps.sriov import vdpa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.recognition import HostSnapshot

#: Mode of a VIFDirect by the number of the kernel (``MACVLAN_MODE_*`` of linux/if_link.h).
_MODES = {2: "vepa", 4: "bridge", 8: "passthrough"}
#: Fields of the port profile. The settings of a virtual function have the same names.
_PROFILE = frozenset(
    name for version in objects.VIFPortProfileSRIOV.history for name in version.adds
)


def recognise(snapshot: HostSnapshot) -> Iterator[Candidate]:
    """Yield the VIFs that own a virtual function."""
    devices = None
    for address, vif_id in snapshot.vf_owners.items():
        if devices is None:
            devices = _vdpa_devices()
        yield _allocated(snapshot, address, vif_id, devices)


def _vdpa_devices() -> Mapping[str, str]:
    """Return the names of the vDPA devices by management device; none without vDPA."""
    with contextlib.suppress(OSError):
        return vdpa.names_by_management_device()
    return {}


def _allocated(
    snapshot: HostSnapshot, address: str, vif_id: str, vdpa_devices: Mapping[str, str]
) -> Candidate:
    """Return the VIF that owns a virtual function."""
    settings: Mapping[str, Any] = {}
    device = None
    # The virtual function, or the device of the physical function, may be gone.
    with contextlib.suppress(OSError):
        function = functions.vf(address)
        device = functions.vf_device(function)
        with rtnetlink.opened() as net:
            pf = net.require(functions.pf_device(function))
            settings = vf_settings.get(net, pf, function.number) or {}
    names = () if device is None else (device,)
    own = snapshot.links.get(device or "")
    macvtap = None if own is None else _macvtap(snapshot, own)
    changed = vf_allocations.changed_settings(address) & _PROFILE & settings.keys()
    profile = {name: settings[name] for name in changed}
    fields: dict[str, Any] = {
        "id": vif_id,
        "dev_address": address,
        "network": objects.Network(),
        "port_profile": objects.VIFPortProfileSRIOV(**profile),
    }
    mac = settings.get("mac") if macvtap is None else macvtap.address
    if mac:
        fields["address"] = mac
    if macvtap is not None:
        mode = _MODES.get(macvtap.data.get("IFLA_MACVTAP_MODE", 0))
        if mode is not None:
            fields["mode"] = mode
        direct = objects.VIFDirect(vif_name=macvtap.name, **fields)
        return Candidate(direct, objects.InstanceInfo(), "macvtap", (*names, macvtap.name))
    way = "virtual function"
    management = f"pci/{address}"
    if management in vdpa_devices:
        way, name = "vDPA", vdpa_devices[management]
        fields["port_profile"].datapath_offload = objects.DatapathOffloadVDPA(device_name=name)
        names = (*names, name)
    assigned = objects.VIFHostDevice(dev_type="ethernet", **fields)
    return Candidate(assigned, objects.InstanceInfo(), way, names)


def _macvtap(snapshot: HostSnapshot, device: Link) -> Link | None:
    """Return the macvtap device of os-vif on a device, or None."""
    return next(
        (
            link
            for link in snapshot.links.values()
            if link.kind == "macvtap" and link.lower == device.index and link.is_managed
        ),
        None,
    )
