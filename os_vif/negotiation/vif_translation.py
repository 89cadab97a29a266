# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Translation of a bound port of Neutron to a VIF.

For ports of Open vSwitch, OVN, vhost-user, agilio_ovs, vrouter and ivs the VIF equals the VIF of
nova 34.0.0 for the same port. Nova passes no VIF to os-vif for ``hw_veb``, ``hostdev_physical`` and
``macvtap``; the fields of these VIFs follow the ``sriov`` plugin, and libvirt's needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from os_vif import device_names, exception, objects
from os_vif.codec.path import describe
from os_vif.negotiation.neutron_objects import invalid
from os_vif.negotiation.neutron_ports import BoundPort, unusable_vif_type
from os_vif.objects.fields import VIFDirectMode, VIFHostDeviceDevType, VIFVHostUserMode

#: The bridge of ports of Open vSwitch without ``bridge_name`` (nova's ``[neutron] ovs_bridge``).
INTEGRATION_BRIDGE = "br-int"
#: VNIC types of a virtual function in the guest.
_VIRTUAL_FUNCTION = ("direct", "accelerator-direct")
#: VNIC types of a physical function in the guest.
_PHYSICAL_FUNCTION = ("direct-physical", "accelerator-direct-physical")
_MACVTAP_MODES = tuple(VIFDirectMode.ALL)
_VHOST_USER_MODES = tuple(VIFVHostUserMode.ALL)
#: Prefix of the names of vDPA devices. The device is no network device of the host.
_VDPA_DEVICE = "vdpa"


@dataclass(frozen=True)
class _Draft:
    """A VIF in the making: the port, and the facts that the port does not tell."""

    port: BoundPort
    integration_bridge: str
    preserve_on_delete: bool

    @property
    def vnic_type(self) -> str:
        return self.port.binding.vnic_type

    def flag(self, name: str) -> bool:
        """Return a boolean of ``vif_details``."""
        return self.port.binding.details.flag(name)

    def device_name(self, prefix: str = device_names.TAP) -> str:
        """Return the name of a device of the VIF."""
        return f"{prefix}{self.port.id}"[: device_names.MAX_LENGTH]

    def pci_address(self) -> str:
        """Return the PCI address of the device that nova assigned to the guest."""
        return self.port.binding.profile.pci_address("pci_slot")

    def ovs_bridge(self) -> str:
        """Return the bridge of Open vSwitch."""
        return self.bridge(self.integration_bridge)

    def bridge(self, default: str) -> str:
        """Return ``bridge_name`` of the details; the default if the details have none."""
        details = self.port.binding.details
        if "bridge_name" not in details.members:
            return default
        return details.text("bridge_name", "the name of a bridge")

    def datapath_type(self) -> str | None:
        return self.port.binding.details.optional_text("datapath_type")

    def vif(
        self,
        cls: type[objects.VIFBase],
        plugin: str,
        *,
        network: Mapping[str, Any] | None = None,
        profile: objects.VIFPortProfileBase | None = None,
        **fields: Any,
    ) -> objects.VIFBase:
        """Return the VIF with the fields of all classes.

        :param network: further fields of the network, which describe the switch.
        """
        if profile is not None:
            fields["port_profile"] = profile
        return cls(
            id=self.port.id,
            address=self.port.address,
            network=objects.Network(**{**self.port.network, **(network or {})}),
            plugin=plugin,
            active=self.port.active,
            preserve_on_delete=self.preserve_on_delete,
            has_traffic_filtering=self.flag("port_filter"),
            **fields,
        )

    def unusable_vnic_type(self, *usable: str) -> exception.InvalidBinding:
        """Return the error for a VNIC type that the VIF type does not support."""
        binding = self.port.binding
        expected = f"{', '.join(usable)} with the VIF type {binding.vif_type}"
        return invalid(binding.vnic_type_path, describe(binding.vnic_type), expected)


def vif_of_bound_port(
    port: BoundPort, *, integration_bridge: str, preserve_on_delete: bool
) -> objects.VIFBase:
    """Return the VIF for the VIF type, the VNIC type, the details and the profile of a port.

    :raises os_vif.exception.InvalidBinding: for a VIF type that is unknown or not bound, and for a
        missing or unusable detail.
    """
    translate = _TRANSLATIONS.get(port.binding.vif_type)
    if translate is None:
        raise unusable_vif_type(port.binding, tuple(_TRANSLATIONS))
    return translate(_Draft(port, integration_bridge, preserve_on_delete))


def _ovs(draft: _Draft) -> objects.VIFBase:
    if draft.vnic_type == "remote-managed":
        return _host_device(draft, "noop", network={"bridge": draft.ovs_bridge()})
    if draft.vnic_type in {"direct", "vdpa"}:
        return _ovs_representor(draft, "ovs")
    bridge = draft.ovs_bridge()
    profile = _ovs_profile(draft, create_tap=draft.flag("ovs_create_tap"))
    if draft.flag("ovs_hybrid_plug"):
        return draft.vif(
            objects.VIFBridge,
            "ovs",
            network={"bridge": bridge},
            profile=profile,
            vif_name=draft.device_name(),
            bridge_name=draft.device_name(device_names.HYBRID_BRIDGE),
        )
    profile.create_port = True
    return draft.vif(
        objects.VIFOpenVSwitch,
        "ovs",
        network={"bridge": bridge},
        profile=profile,
        vif_name=draft.device_name(),
        bridge_name=bridge,
    )


def _agilio_ovs(draft: _Draft) -> objects.VIFBase:
    """Return the VIF of a card that forwards itself; as with ``ovs`` for a port without a VF."""
    if draft.vnic_type == "direct":
        return _ovs_representor(draft, "agilio_ovs")
    if draft.vnic_type == "virtio-forwarder":
        return _vhost_user(
            draft,
            "agilio_ovs",
            network={"bridge": draft.ovs_bridge()},
            profile=_ovs_representor_profile(draft),
        )
    return _ovs(draft)


def _vhost_user_by_switch(draft: _Draft) -> objects.VIFBase:
    """Return the VIF of a vhost-user switch; the details name the kind of the switch."""
    if draft.flag("vhostuser_fp_plug"):
        return _fast_path(draft)
    if draft.flag("vhostuser_ovs_plug"):
        return _vhost_user(
            draft,
            "ovs",
            prefix=device_names.VHOST_USER,
            network={"bridge": draft.ovs_bridge()},
            profile=_ovs_profile(draft),
        )
    return _vhost_user(
        draft, "contrail_vrouter" if draft.flag("vhostuser_vrouter_plug") else "noop"
    )


def _fast_path(draft: _Draft) -> objects.VIFBase:
    if draft.flag("vhostuser_ovs_plug"):
        bridge, hybrid = draft.ovs_bridge(), draft.flag("ovs_hybrid_plug")
        profile: objects.VIFPortProfileBase = _ovs_profile(
            draft,
            objects.VIFPortProfileFPOpenVSwitch,
            bridge_name=draft.device_name(device_names.HYBRID_BRIDGE) if hybrid else bridge,
            hybrid_plug=hybrid,
        )
    else:
        network_bridge = f"brq{draft.port.network['id']}"[: device_names.MAX_LENGTH]
        bridge = draft.bridge(network_bridge)
        profile = objects.VIFPortProfileFPBridge(bridge_name=bridge)
    return _vhost_user(draft, "vhostuser_fp", network={"bridge": bridge}, profile=profile)


def _vrouter(draft: _Draft) -> objects.VIFBase:
    if draft.vnic_type == "normal":
        return draft.vif(objects.VIFGeneric, "vrouter", vif_name=draft.device_name())
    if draft.vnic_type not in {"direct", "virtio-forwarder"}:
        raise draft.unusable_vnic_type("normal", "direct", "virtio-forwarder")
    profile = objects.VIFPortProfileBase(datapath_offload=_representor(draft))
    if draft.vnic_type == "direct":
        return _host_device(draft, "vrouter", profile=profile)
    return _vhost_user(draft, "vrouter", profile=profile)


def _ivs(draft: _Draft) -> objects.VIFBase:
    if not draft.flag("ovs_hybrid_plug"):
        return draft.vif(objects.VIFGeneric, "ivs", vif_name=draft.device_name())
    return draft.vif(
        objects.VIFBridge,
        "ivs",
        vif_name=draft.device_name(),
        bridge_name=draft.device_name(device_names.HYBRID_BRIDGE),
    )


def _hw_veb(draft: _Draft) -> objects.VIFBase:
    """Return the VIF of a virtual function; the card forwards the packets."""
    profile = objects.VIFPortProfileSRIOV()
    vlan = draft.port.binding.details.integer("vlan", 0, 4094, "a VLAN id from 0 to 4094")
    if vlan is not None:
        profile.vlan = vlan
    if _is_trusted(draft):
        profile.trusted = True
    if draft.vnic_type == "macvtap":
        return draft.vif(
            objects.VIFDirect,
            "sriov",
            profile=profile,
            vif_name=draft.device_name(),
            dev_address=draft.pci_address(),
            mode="passthrough",
        )
    if draft.vnic_type == "vdpa":
        profile.datapath_offload = objects.DatapathOffloadVDPA(
            device_name=draft.device_name(_VDPA_DEVICE)
        )
    elif draft.vnic_type not in _VIRTUAL_FUNCTION:
        raise draft.unusable_vnic_type(*_VIRTUAL_FUNCTION, "macvtap", "vdpa")
    return _host_device(draft, "sriov", profile=profile)


def _is_trusted(draft: _Draft) -> bool:
    """Return ``trusted`` of the profile, which nova and Neutron's users write as a text."""
    profile = draft.port.binding.profile
    value = profile.members.get("trusted")
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return profile.flag("trusted")


def _hostdev_physical(draft: _Draft) -> objects.VIFBase:
    """Return the VIF of a physical function: only the hypervisor acts on the device."""
    if draft.vnic_type not in _PHYSICAL_FUNCTION:
        raise draft.unusable_vnic_type(*_PHYSICAL_FUNCTION)
    return _host_device(draft, "noop")


def _macvtap(draft: _Draft) -> objects.VIFBase:
    """Return the VIF of a macvtap device, which the hypervisor makes on a device of the host."""
    details = draft.port.binding.details
    vlan = details.integer("vlan", 1, 4094, "a VLAN id from 1 to 4094")
    mode = details.text("macvtap_mode", f"one of {', '.join(_MACVTAP_MODES)}")
    if mode not in _MACVTAP_MODES:
        raise details.error("macvtap_mode", f"one of {', '.join(_MACVTAP_MODES)}")
    network: dict[str, Any] = {"bridge_interface": details.text("physical_interface")}
    if vlan is not None:
        network |= {"vlan": vlan, "should_provide_vlan": True}
    return draft.vif(
        objects.VIFDirect,
        "noop",
        network=network,
        vif_name=draft.device_name(),
        mode=mode,
        vlan_name=details.text("macvtap_source"),
    )


def _host_device(draft: _Draft, plugin: str, **common: Any) -> objects.VIFBase:
    return draft.vif(
        objects.VIFHostDevice,
        plugin,
        dev_type=VIFHostDeviceDevType.ETHERNET,
        dev_address=draft.pci_address(),
        **common,
    )


def _ovs_representor(draft: _Draft, plugin: str) -> objects.VIFBase:
    """Return the VIF of a virtual function with a representor in Open vSwitch."""
    network = {"bridge": draft.ovs_bridge()}
    return _host_device(draft, plugin, network=network, profile=_ovs_representor_profile(draft))


def _vhost_user(
    draft: _Draft, plugin: str, *, prefix: str = device_names.TAP, **common: Any
) -> objects.VIFBase:
    details = draft.port.binding.details
    # The details name the side of the guest; nova's default is "server".
    mode = details.members.get("vhostuser_mode", "server")
    if mode not in _VHOST_USER_MODES:
        raise details.error("vhostuser_mode", f"one of {', '.join(_VHOST_USER_MODES)}")
    return draft.vif(
        objects.VIFVHostUser,
        plugin,
        path=details.text("vhostuser_socket", "the path of a socket"),
        mode=mode,
        vif_name=draft.device_name(prefix),
        **common,
    )


def _ovs_profile(
    draft: _Draft,
    cls: type[objects.VIFPortProfileOpenVSwitch] = objects.VIFPortProfileOpenVSwitch,
    **fields: Any,
) -> objects.VIFPortProfileOpenVSwitch:
    return cls(interface_id=draft.port.id, datapath_type=draft.datapath_type(), **fields)


def _ovs_representor_profile(draft: _Draft) -> objects.VIFPortProfileOVSRepresentor:
    return objects.VIFPortProfileOVSRepresentor(
        interface_id=draft.port.id,
        representor_name=draft.device_name(),
        representor_address=draft.pci_address(),
        datapath_offload=_representor(draft),
    )


def _representor(draft: _Draft) -> objects.DatapathOffloadRepresentor:
    return objects.DatapathOffloadRepresentor(
        representor_name=draft.device_name(), representor_address=draft.pci_address()
    )


#: Translation by VIF type.
_TRANSLATIONS: Mapping[str, Callable[[_Draft], objects.VIFBase]] = {
    "ovs": _ovs,
    "vhostuser": _vhost_user_by_switch,
    "hw_veb": _hw_veb,
    "hostdev_physical": _hostdev_physical,
    "macvtap": _macvtap,
    "agilio_ovs": _agilio_ovs,
    "vrouter": _vrouter,
    "ivs": _ivs,
}
#: VIF types of Neutron with a class of VIF.
VIF_TYPES = tuple(_TRANSLATIONS)
