# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for a VIF on a host: the reasons why the host cannot plug the VIF.

Each rule reads a VIF and an offer, and returns a sentence, or None. A fact that an offer leaves
unset is unknown, and no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from os_vif.negotiation.offer_fields import field_of
from os_vif.objects import HostOffer, OfferedClass, VIFBase

_Rule = Callable[[VIFBase, HostOffer], str | None]

#: The value of ``iface_types`` of Open vSwitch for a vhost-user socket, by the mode of QEMU.
_INTERFACE_TYPE = {"server": "dpdkvhostuserclient", "client": "dpdkvhostuser"}
_OFFLOADS = {"DatapathOffloadRepresentor": "representor", "DatapathOffloadVDPA": "vdpa"}
#: Device kinds with a virtio device in the guest, without a choice of the model.
_VIRTIO_ONLY = ("vhost-user", "vdpa")
_DEVICE_KINDS = {
    "VIFBridge": "tap",
    "VIFDirect": "macvtap",
    "VIFGeneric": "tap",
    "VIFHostDevice": "hostdev",
    "VIFOpenVSwitch": "tap",
    "VIFVHostUser": "vhost-user",
}


def refusals(vif: VIFBase, offer: HostOffer) -> tuple[str, ...]:
    """Return the reasons why a host cannot plug a VIF; empty if the host can."""
    found = (rule(vif, offer) for rule in _RULES)
    return tuple(reason for reason in found if reason is not None)


def device_kind(vif: VIFBase) -> str:
    """Return the kind of the guest's device: ``tap``, ``vhost-user``, ``vdpa``, ``hostdev`` or ``macvtap``."""
    if _offload(vif) == "DatapathOffloadVDPA":
        return "vdpa"
    name = vif.obj_name()
    return _DEVICE_KINDS.get(name, name)


def host_name(offer: HostOffer) -> str:
    """Return the name of the host for a sentence."""
    return str(field_of(offer, "host") or "the host")


def _plugin(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a VIF without a plugin, class or port profile on the host."""
    name, host, kind = field_of(vif, "plugin"), host_name(offer), vif.obj_name()
    if not name:
        return f"{kind} names no plugin"
    plugins = {plugin.name: plugin for plugin in field_of(offer, "plugins") or ()}
    if name not in plugins:
        return f"{host} has no plugin {name!r}; {_listed(plugins)}"
    if name == "noop":
        # The plans of the plugin are empty for each class: for ports of a DPU, physical functions
        # and macvtap devices of libvirt too, which ``describe()`` does not list.
        return None
    classes = {entry.name: entry for entry in field_of(plugins[name], "vifs") or ()}
    if kind not in classes:
        return f"plugin {name!r} of {host} plugs no {kind}; {_listed(classes)}"
    profile = field_of(vif, "port_profile")
    if profile is None or _accepts(classes[kind], profile.obj_name()):
        return None
    return f"plugin {name!r} of {host} plugs no {kind} with {profile.obj_name()}"


def _accepts(entry: OfferedClass, profile: str) -> bool:
    """Return True if a class accepts a profile; a class without a list ignores profiles."""
    profiles = field_of(entry, "profiles")
    return not profiles or profile in profiles


def _listed(names: object) -> str:
    """Return the offered names for a sentence."""
    return f"offered: {', '.join(sorted(names)) or 'nothing'}"  # type: ignore[call-overload]


def _hybrid_tap(vif: VIFBase, _: HostOffer) -> str | None:
    """Refuse ``create_tap`` with a Linux bridge: the hypervisor cannot open the tap device.

    In 2026, ML2/OVS set ``ovs_create_tap`` for hybrid hosts, and no instance booted.
    """
    if vif.obj_name() == "VIFBridge" and field_of(vif, "port_profile", "create_tap"):
        return (
            "port_profile.create_tap is true for a VIFBridge (ovs_create_tap with "
            "ovs_hybrid_plug): the hypervisor creates the tap device itself, and would not start "
            "the guest"
        )
    return None


def _hybrid_host(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a port without a Linux bridge on a host whose firewall filters on the bridge."""
    is_tap = field_of(vif, "plugin") == "ovs" and vif.obj_name() == "VIFOpenVSwitch"
    if is_tap and field_of(offer, "hybrid_plug") and field_of(vif, "has_traffic_filtering"):
        return (
            f"{host_name(offer)} filters on a Linux bridge (ovs_hybrid_plug), which a "
            "VIFOpenVSwitch has not"
        )
    return None


def _datapath(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a datapath type that the host does not have."""
    types = field_of(offer, "datapath_types")
    wanted = field_of(vif, "port_profile", "datapath_type")
    if types is None or not wanted or wanted in types:
        return None
    return f"{host_name(offer)} has no datapath of type {wanted!r}; {_listed(types)}"


def _vhost_user(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a vhost-user socket that Open vSwitch on the host cannot open."""
    types = field_of(offer, "interface_types")
    if vif.obj_name() != "VIFVHostUser" or field_of(vif, "plugin") != "ovs" or types is None:
        return None
    wanted = _INTERFACE_TYPE.get(str(field_of(vif, "mode")))
    if wanted is None or wanted in types:
        return None
    return f"Open vSwitch on {host_name(offer)} has no interfaces of type {wanted!r}"


def _offload_of(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse an offload that no card of the host has."""
    offloads, wanted = field_of(offer, "offloads"), _OFFLOADS.get(_offload(vif) or "")
    if offloads is None or wanted is None or wanted in offloads:
        return None
    return f"{host_name(offer)} has no card for the offload {wanted!r}; {_listed(offloads)}"


def _offload(vif: VIFBase) -> str | None:
    """Return the class name of the offload of a VIF, or None."""
    offload = field_of(vif, "port_profile", "datapath_offload")
    return None if offload is None else str(offload.obj_name())


def _guest_memory(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a vhost-user device for a guest with private memory."""
    if device_kind(vif) == "vhost-user" and field_of(offer, "guest", "memory") == "private":
        return "the memory of the guest is private; a vhost-user device needs shared memory"
    return None


def _guest_model(vif: VIFBase, offer: HostOffer) -> str | None:
    """Refuse a virtio device for a guest without virtio."""
    models, kind = field_of(offer, "guest", "models"), device_kind(vif)
    if models is None or kind not in _VIRTIO_ONLY or "virtio" in models:
        return None
    return (
        f"the guest has no device model 'virtio', which a {kind} device needs; {_listed(models)}"
    )


_RULES: tuple[_Rule, ...] = (
    _plugin,
    _hybrid_tap,
    _hybrid_host,
    _datapath,
    _vhost_user,
    _offload_of,
    _guest_memory,
    _guest_model,
)


def missing_network(physical_network: str | None, offer: HostOffer) -> Iterator[str]:
    """Yield a sentence if the host lacks the physical network of a port."""
    networks = field_of(offer, "physical_networks")
    if physical_network and networks is not None and physical_network not in networks:
        yield (
            f"{host_name(offer)} is not connected to the physical network {physical_network!r}; "
            f"{_listed(networks)}"
        )
