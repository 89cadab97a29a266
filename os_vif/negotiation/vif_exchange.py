# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs in the bindings of Neutron's ports: from a port to a VIF, and back.

``vif_details`` may have a document of the VIF in the member ``os_vif``, beside the keys that nova
reads. A document has the fields that the keys cannot express, and must agree with the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.codec.path import describe, within
from os_vif.negotiation import details_translation, vif_translation
from os_vif.negotiation.neutron_limits import require_fits_column
from os_vif.negotiation.neutron_objects import ApiObject, invalid
from os_vif.negotiation.neutron_ports import BoundPort
from os_vif.negotiation.vif_translation import INTEGRATION_BRIDGE
from os_vif.serialization.formats import from_document, to_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The member of ``vif_details`` with the document of the VIF.
DOCUMENT = "os_vif"
#: Fields that the document and a key of ``vif_details`` both express, and the keys.
_KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("network", "bridge"), "bridge_name"),
    (("network", "bridge_interface"), "physical_interface"),
    (("network", "vlan"), "vlan"),
    (("vlan_name",), "macvtap_source"),
    (("path",), "vhostuser_socket"),
    (("port_profile", "datapath_type"), "datapath_type"),
    (("port_profile", "vlan"), "vlan"),
)
#: Boolean fields, and their keys; an absent key is false.
_FLAGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("has_traffic_filtering",), "port_filter"),
    (("port_profile", "hybrid_plug"), "ovs_hybrid_plug"),
)
#: Classes of VIF with the key ``ovs_create_tap``; the field has no effect in another class.
_TAP_CLASSES = ("VIFBridge", "VIFOpenVSwitch")
#: Fields of a port profile that a short document leaves to the port, the profile and the keys.
_PROFILE_FIELDS = (
    "interface_id",
    "datapath_type",
    "create_tap",
    "hybrid_plug",
    "vlan",
    "trusted",
)
#: Keys for the class of the VIF and the mode, in the order in which the error lists the keys.
_CLASS_KEYS = ("ovs_hybrid_plug", "vhostuser_ovs_plug", "vhostuser_fp_plug")
#: Fields of the network that Neutron's API tells: users change the fields after the binding.
_API_NETWORK_FIELDS = ("id", "label", "mtu", "subnets")


def vif_of(
    port: Mapping[str, Any],
    network: Mapping[str, Any],
    subnets: Sequence[Mapping[str, Any]],
    binding: Mapping[str, Any] | None = None,
    *,
    integration_bridge: str = INTEGRATION_BRIDGE,
    preserve_on_delete: bool = False,
) -> objects.VIFBase:
    """Return the VIF of a bound port, as nova 34.0.0 makes the VIF.

    :param port: a port as Neutron's API shows the port to an administrator or a service.
    :param network: the network of the port.
    :param subnets: at least the subnets in which the port has addresses.
    :param binding: an entry of ``GET /v2.0/ports/{id}/bindings``, for the VIF on the host of the
        entry. By default the attributes ``binding:*`` of the port.
    :param integration_bridge: the bridge of Open vSwitch for details without ``bridge_name``.
    :param preserve_on_delete: True for a port that the user created, not nova.
    :raises os_vif.exception.InvalidBinding: for an unbound port, an unknown VIF type, a missing or
        unusable value or argument, and for a document that contradicts another value.
    :raises os_vif.exception.SerializationError: for an unreadable document.
    """
    arguments = ApiObject(
        {"integration_bridge": integration_bridge, "preserve_on_delete": preserve_on_delete}, ""
    )
    arguments.text("integration_bridge", "the name of a bridge")
    if not isinstance(preserve_on_delete, bool):
        raise arguments.error("preserve_on_delete", "True or False")
    bound = BoundPort.of(port, network, subnets, binding)
    vif = vif_translation.vif_of_bound_port(
        bound, integration_bridge=integration_bridge, preserve_on_delete=preserve_on_delete
    )
    details = bound.binding.details
    if not details.is_set(DOCUMENT):
        return vif
    described = _read_document(details)
    _complete_profile(described, vif)
    _require_agreement(described, vif, details)
    return _completed(described, vif)


def details_of(vif: objects.VIFBase, *, document: bool = True) -> tuple[str, dict[str, Any]]:
    """Return ``vif_type`` and ``vif_details`` of a VIF, for a mechanism driver of Neutron.

    The details have the keys that nova reads, so that a nova without knowledge of documents works.
    The VNIC type and the profile, with the PCI address, are not part of the details.

    :param document: True to add the document of the VIF as the member ``os_vif``.
    :raises os_vif.exception.InvalidBinding: for a VIF without a counterpart in Neutron, and for
        details that are larger than Neutron's column.
    :raises os_vif.exception.SerializationError: for a VIF that a document cannot express.
    """
    vif_type, details = details_translation.details_of_vif(vif)
    if document:
        try:
            details[DOCUMENT] = to_document(vif)
        except exception.InvalidValue as error:
            raise within("vif", error) from error
    require_fits_column("vif_details", details)
    return vif_type, details


def _read_document(details: ApiObject) -> objects.VIFBase:
    """Return the VIF of the document."""
    path = details.path_of(DOCUMENT)
    try:
        described = from_document(details.members[DOCUMENT])
    except exception.SerializationError as error:
        raise within(path, error) from error
    if not isinstance(described, objects.VIFBase):
        raise invalid(f"{path}.kind", described.obj_name(), "the name of a class of VIF")
    return described


def _require_agreement(
    described: objects.VIFBase, vif: objects.VIFBase, details: ApiObject
) -> None:
    """Raise InvalidBinding for a document that contradicts the keys, the port or the profile."""
    path = details.path_of(DOCUMENT)
    if described.obj_name() != vif.obj_name():
        expected = f"{vif.obj_name()}, because of {_class_reason(details)}"
        raise invalid(f"{path}.kind", described.obj_name(), expected)
    compared: list[tuple[tuple[str, ...], str]] = [
        (("id",), "the id of the port"),
        (("address",), "the MAC address of the port"),
        (("plugin",), _class_reason(details)),
        (("network", "id"), "the id of the network"),
        (("dev_address",), "pci_slot of the profile"),
        (("port_profile", "interface_id"), "the id of the port"),
        (("port_profile", "representor_address"), "pci_slot of the profile"),
        (("port_profile", "datapath_offload", "representor_address"), "pci_slot of the profile"),
        (("port_profile", "trusted"), "trusted of the profile"),
    ]
    if "vhostuser_mode" in details.members:
        compared.append((("mode",), "vhostuser_mode"))
    elif "macvtap_mode" in details.members:
        compared.append((("mode",), "macvtap_mode"))
    flags = list(_FLAGS)
    if vif.obj_name() in _TAP_CLASSES:
        flags.append((("port_profile", "create_tap"), "ovs_create_tap"))
    compared += [
        (names, key if details.is_set(key) else f"the absent key {key}") for names, key in flags
    ]
    compared += [(names, key) for names, key in _KEYS if details.is_set(key)]
    for names, reason in compared:
        ours, wanted = _get(described, names), _get(vif, names)
        if wanted is not None and ours is not None and ours != wanted:
            expected = f"{describe(_plain(wanted))}, because of {reason}"
            raise invalid(".".join((path, *names)), describe(_plain(ours)), expected)
    if vif.plugin == "sriov":
        _require_settings_of_port(described, vif, path)


def _require_settings_of_port(described: objects.VIFBase, vif: objects.VIFBase, path: str) -> None:
    """Raise InvalidBinding if a virtual function gains or loses a VLAN, or the guest's trust."""
    profile = _get(described, ("port_profile",))
    for name, source in (("vlan", "key vlan"), ("trusted", "trusted of the profile")):
        ours, wanted = (_get(obj, ("port_profile", name)) for obj in (described, vif))
        if ours is not None and ours is not False and wanted is None:
            expected = f"no value, because of the absent {source}"
            raise invalid(f"{path}.port_profile.{name}", describe(ours), expected)
        if wanted is not None and profile is not None and name not in profile.fields:
            expected = f"{vif.port_profile.obj_name()}, because of {source}"
            raise invalid(f"{path}.port_profile.kind", profile.obj_name(), expected)


def _class_reason(details: ApiObject) -> str:
    """Return the keys that decide on the class of the VIF, for an error."""
    keys = [
        f"{key} {describe(details.members[key])}" for key in _CLASS_KEYS if details.is_set(key)
    ]
    return ", ".join(["vif_type and vnic_type", *keys])


def _get(obj: Any, names: tuple[str, ...]) -> Any:
    """Return a field; an unset boolean is false, and another unset field is None."""
    *parents, name = names
    for parent in parents:
        if not obj.obj_attr_is_set(parent) or getattr(obj, parent) is None:
            return None
        obj = getattr(obj, parent)
    if name not in obj.fields:
        return None
    if not obj.obj_attr_is_set(name):
        return False if obj.fields[name].default is False else None
    return getattr(obj, name)


def _plain(value: Any) -> Any:
    """Return a value for an error: addresses as texts."""
    return value if isinstance(value, bool | int) else str(value)


def _complete_profile(described: objects.VIFBase, vif: objects.VIFBase) -> None:
    """Copy the fields that the port profile of a short document lacks."""
    profile, wanted = _get(described, ("port_profile",)), _get(vif, ("port_profile",))
    if profile is not None and wanted is not None:
        known = [
            name for name in _PROFILE_FIELDS if name in profile.fields and name in wanted.fields
        ]
        _copy_unset_fields(wanted, profile, only=known)


def _completed(described: objects.VIFBase, vif: objects.VIFBase) -> objects.VIFBase:
    """Return the VIF of the document with the present state of the port and of the network."""
    if described.obj_attr_is_set("network") and described.network is not None:
        # Users change these fields of a network after the binding.
        _copy_set_fields(vif.network, described.network, only=_API_NETWORK_FIELDS)
        _copy_unset_fields(vif.network, described.network)
    described.active = vif.active
    described.preserve_on_delete = vif.preserve_on_delete
    _copy_unset_fields(vif, described)
    return described


def _copy_set_fields(source: Any, target: Any, only: Sequence[str]) -> None:
    """Copy the set fields of *source* among *only*."""
    for name in only:
        if source.obj_attr_is_set(name):
            setattr(target, name, getattr(source, name))


def _copy_unset_fields(source: Any, target: Any, only: Sequence[str] | None = None) -> None:
    """Copy the fields of *source* that *target* lacks; by default all."""
    names = source.fields if only is None else only
    _copy_set_fields(source, target, [n for n in names if not target.obj_attr_is_set(n)])
