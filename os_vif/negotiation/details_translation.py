# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Translation of a VIF to ``vif_type`` and ``vif_details`` of Neutron, for a nova of any age.

The VNIC type and the profile of a binding belong to nova and to the user, so the PCI address of a
VIF is not in the details.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from os_vif import exception, objects
from os_vif.codec.path import describe

_Details = dict[str, Any]


def details_of_vif(vif: objects.VIFBase) -> tuple[str, _Details]:
    """Return the VIF type, and the details without the document.

    :raises os_vif.exception.InvalidBinding: for a plugin, a class or a missing field without a
        counterpart in Neutron.
    """
    if not isinstance(vif, objects.VIFBase):
        raise _invalid("vif", describe(vif), "a VIF")
    plugin = _required(vif, "plugin")
    translate = _TRANSLATIONS.get((plugin, vif.obj_name()))
    if translate is None:
        usable = sorted({name for name, _ in _TRANSLATIONS})
        if plugin not in usable:
            raise _invalid("vif.plugin", describe(plugin), f"one of {', '.join(usable)}")
        kinds = sorted(kind for name, kind in _TRANSLATIONS if name == plugin)
        raise _invalid("vif", vif.obj_name(), f"{' or '.join(kinds)} with the plugin {plugin}")
    vif_type, details = translate(vif)
    return vif_type, {"port_filter": bool(_get(vif, "has_traffic_filtering")), **details}


def _ovs(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "ovs", {"ovs_hybrid_plug": False, **_ovs_port(vif)}


def _ovs_hybrid(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "ovs", {"ovs_hybrid_plug": True, **_ovs_port(vif)}


def _ovs_port(vif: objects.VIFBase) -> _Details:
    """Return the details of a port of Open vSwitch: bridge, datapath type and tap device."""
    details: _Details = {"bridge_name": _required(vif, "network", "bridge")}
    datapath_type = _get(vif, "port_profile", "datapath_type")
    if datapath_type is not None:
        details["datapath_type"] = datapath_type
    if _get(vif, "port_profile", "create_tap"):
        details["ovs_create_tap"] = True
    return details


def _agilio_ovs(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "agilio_ovs", _ovs_port(vif)


def _agilio_vhost_user(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "agilio_ovs", {**_socket(vif), **_ovs_port(vif)}


def _socket(vif: objects.VIFBase) -> _Details:
    """Return the details of a vhost-user socket."""
    mode, path = _required(vif, "mode"), _required(vif, "path")
    return {"vhostuser_mode": mode, "vhostuser_socket": path}


def _vhost_user(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "vhostuser", _socket(vif)


def _vhost_user_ovs(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "vhostuser", {**_socket(vif), "vhostuser_ovs_plug": True, **_ovs_port(vif)}


def _vhost_user_vrouter(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "vhostuser", {**_socket(vif), "vhostuser_vrouter_plug": True}


def _fast_path(vif: objects.VIFBase) -> tuple[str, _Details]:
    details = {**_socket(vif), "vhostuser_fp_plug": True}
    profile = _required(vif, "port_profile")
    if isinstance(profile, objects.VIFPortProfileFPOpenVSwitch):
        hybrid = bool(_get(profile, "hybrid_plug"))
        details |= {"vhostuser_ovs_plug": True, "ovs_hybrid_plug": hybrid, **_ovs_port(vif)}
    elif isinstance(profile, objects.VIFPortProfileFPBridge):
        details["bridge_name"] = _required(profile, "bridge_name", path="vif.port_profile")
    else:
        expected = "a VIFPortProfileFPOpenVSwitch or VIFPortProfileFPBridge"
        raise _invalid("vif.port_profile", profile.obj_name(), expected)
    return "vhostuser", details


def _vrouter(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "vrouter", _socket(vif) if isinstance(vif, objects.VIFVHostUser) else {}


def _ivs(vif: objects.VIFBase) -> tuple[str, _Details]:
    return "ivs", {"ovs_hybrid_plug": isinstance(vif, objects.VIFBridge)}


def _virtual_function(vif: objects.VIFBase) -> tuple[str, _Details]:
    vlan = _get(vif, "port_profile", "vlan")
    # Neutron writes the VLAN id as a text.
    return "hw_veb", {} if vlan is None else {"vlan": str(vlan)}


def _no_plug_device(vif: objects.VIFBase) -> tuple[str, _Details]:
    """Return the type of a port of a DPU, which has a bridge, or of a physical function."""
    if _get(vif, "network", "bridge"):
        return "ovs", _ovs_port(vif)
    return "hostdev_physical", {}


def _macvtap(vif: objects.VIFBase) -> tuple[str, _Details]:
    details = {
        "physical_interface": _required(vif, "network", "bridge_interface"),
        "macvtap_source": _required(vif, "vlan_name"),
        "macvtap_mode": _required(vif, "mode"),
    }
    vlan = _get(vif, "network", "vlan")
    return "macvtap", details if vlan is None else {**details, "vlan": vlan}


#: Translation by plugin and class of VIF.
_TRANSLATIONS: Mapping[tuple[str, str], Callable[[objects.VIFBase], tuple[str, _Details]]] = {
    ("ovs", "VIFOpenVSwitch"): _ovs,
    ("ovs", "VIFBridge"): _ovs_hybrid,
    ("ovs", "VIFHostDevice"): _ovs,
    ("ovs", "VIFVHostUser"): _vhost_user_ovs,
    ("agilio_ovs", "VIFHostDevice"): _agilio_ovs,
    ("agilio_ovs", "VIFVHostUser"): _agilio_vhost_user,
    ("vhostuser_fp", "VIFVHostUser"): _fast_path,
    ("contrail_vrouter", "VIFVHostUser"): _vhost_user_vrouter,
    ("vrouter", "VIFGeneric"): _vrouter,
    ("vrouter", "VIFHostDevice"): _vrouter,
    ("vrouter", "VIFVHostUser"): _vrouter,
    ("ivs", "VIFGeneric"): _ivs,
    ("ivs", "VIFBridge"): _ivs,
    ("sriov", "VIFHostDevice"): _virtual_function,
    ("sriov", "VIFDirect"): _virtual_function,
    ("noop", "VIFVHostUser"): _vhost_user,
    ("noop", "VIFHostDevice"): _no_plug_device,
    ("noop", "VIFDirect"): _macvtap,
}


def _get(obj: Any, *names: str) -> Any:
    """Return the value of a field, below any number of objects; None if a field is not set."""
    for name in names:
        if obj is None or name not in obj.fields or not obj.obj_attr_is_set(name):
            return None
        obj = getattr(obj, name)
    return obj


def _required(obj: Any, *names: str, path: str = "vif") -> Any:
    """Return the value of a field that must be set."""
    value = _get(obj, *names)
    if value in (None, ""):
        raise _invalid(".".join((path, *names)), "nothing", "a value")
    return value


def _invalid(path: str, found: str, expected: str) -> exception.InvalidBinding:
    return exception.InvalidBinding(path=path, found=found, expected=expected)
