# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The verdict of a live migration: the changes of a VIF, and the reasons against the migration."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from os_vif import exception
from os_vif.codec.path import describe
from os_vif.codec.unknown import Loss
from os_vif.negotiation import plug_rules, written_vif
from os_vif.negotiation.offer_fields import field_of
from os_vif.objects import HostOffer, VIFBase
from os_vif.serialization import formats

#: Fields that may differ between hosts without effect on the guest, with the reason. A path ends
#: at the name; fields below a name are free too.
FREE: Mapping[str, str] = {
    "active": "a state of the port at a moment",
    "bridge_name": "a name on the host, which the hypervisor receives for each host",
    "dev_address": "an address of a card of the host, which the hypervisor receives for each host",
    "network.bridge": "a name on the host",
    "network.bridge_interface": "a name on the host",
    "path": "a path on the host, which the hypervisor receives for each host",
    "port_profile.bridge_name": "a name on the host",
    "port_profile.datapath_offload.device_name": "a name on the host",
    "port_profile.datapath_offload.management_device": "an address of a card of the host",
    "port_profile.datapath_offload.representor_address": "an address of a card of the host",
    "port_profile.datapath_offload.representor_name": "a name on the host",
    "port_profile.datapath_offload.vhost_vdpa_path": "a path on the host",
    "port_profile.representor_address": "an address of a card of the host",
    "port_profile.representor_name": "a name on the host",
    "vif_name": "a name on the host, which the hypervisor receives for each host",
    "vlan_name": "a name on the host",
}
#: Changed fields that the guest sees; a running guest keeps the values of the start.
GUEST_VISIBLE: Mapping[str, str] = {
    "address": "the MAC address",
    "network.mtu": "the MTU",
    "port_profile.multiqueue": "the number of queues",
}
#: Values that the other host must receive, with the description of the loss, beside those above.
_REQUIRED: Mapping[str, str] = {
    "port_profile": "the settings of the plugin",
    "port_profile.vlan": "the VLAN of the virtual function",
}
#: Fields that identify the members of arrays, whose order has no meaning, by the name of the array.
_IDENTIFIERS = {"subnets": "cidr", "ips": "address", "routes": "cidr"}


class FieldChange(NamedTuple):
    """A field with another value on the other host; None for an unset field."""

    #: The path of the field, such as ``port_profile.create_tap``. Subnets, addresses and routes
    #: have their values in the path: ``network.subnets[192.0.2.0/24].ips[192.0.2.5].address``.
    path: str
    here: Any
    there: Any

    def __str__(self) -> str:
        here, there = ("unset" if v is None else repr(v) for v in (self.here, self.there))
        return f"{self.path}: {here} here, {there} there"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of :func:`verdict`. True in a condition if the migration is possible."""

    possible: bool
    #: All fields with another value, by path, without the fields that may differ freely (``FREE``).
    changes: tuple[FieldChange, ...] = ()
    #: The changes that the guest would see; ``there`` is None for a value that the release of the
    #: other host cannot read.
    guest_visible: tuple[FieldChange, ...] = ()
    #: The values that the release of the other host cannot read.
    losses: tuple[Loss, ...] = ()
    #: The reasons why the migration is not possible; empty if the migration is possible.
    reasons: tuple[str, ...] = ()
    #: The sentence about an assumed release of the other host; None for a stated release.
    assumption: str | None = None

    def __bool__(self) -> bool:
        return self.possible


def verdict(here: VIFBase, there: VIFBase, offer: HostOffer) -> Verdict:
    """Return whether a guest with the VIF *here* can migrate to the VIF *there*.

    The VIF of a vDPA device in Open vSwitch, as nova 34.0.0 makes the VIF, equals the VIF of a
    virtual function with a representor. Both count as ``hostdev`` here, so compare the VNIC types
    of the bindings too. Only a VIF with ``DatapathOffloadVDPA`` counts as ``vdpa``.

    The names of bridges may differ. Nova 34.0.0 gives the VIF on the other host the bridge of the
    present host, so that a migration by nova needs a bridge of the same name.

    :param here: the VIF on the present host.
    :param there: the VIF of the same port on the other host: see
        :func:`~os_vif.negotiation.vif_of`.
    :param offer: the offer of the other host.
    :raises os_vif.exception.InvalidField: for an offer without a usable release.
    :raises os_vif.exception.InvalidValue: for an argument of another class.
    :raises os_vif.exception.SerializationError: for a VIF without an expression in a document.
    """
    _require_class("here", here, VIFBase, "a VIF")
    _require_class("there", there, VIFBase, "a VIF")
    _require_class("offer", offer, HostOffer, "an Offer")
    ours, theirs = _fields(here), _fields(there)
    changes = _changes(ours, theirs)
    visible = {change.path: change for change in changes if _is_visible(change, here, there)}
    reasons = [*_identity(here, there), *plug_rules.refusals(there, offer)]
    written = written_vif.write_for(there, offer)
    if written.reason is not None:
        reasons.append(written.reason)
    reasons += [
        f"the guest would see {_description(change, here, there)}" for change in visible.values()
    ]
    lost = [loss for loss in written.losses if _is_required(loss, theirs)]
    reasons += [_loss(loss, theirs, offer, written.release) for loss in lost]
    reasons += _absent_vlan(here, there)
    for path in (loss.path for loss in lost if loss.path in GUEST_VISIBLE):
        visible.setdefault(path, FieldChange(path, ours.get(path), None))
    return Verdict(
        possible=not reasons,
        changes=changes,
        guest_visible=tuple(visible[path] for path in sorted(visible)),
        losses=written.losses,
        reasons=tuple(reasons),
        assumption=field_of(offer, "assumption"),
    )


def _require_class(name: str, value: Any, cls: type, expected: str) -> None:
    """Raise InvalidValue for an argument of another class."""
    if not isinstance(value, cls):
        raise exception.InvalidValue(path=name, found=describe(value), expected=expected)


def _identity(here: VIFBase, there: VIFBase) -> Iterator[str]:
    """Yield a sentence if the VIFs belong to different ports or networks, or have no id."""
    ours, theirs = field_of(here, "id"), field_of(there, "id")
    if ours is None and theirs is None:
        yield "neither VIF has an id, so that the VIFs may belong to different ports"
    elif ours != theirs:
        yield (
            f"the VIFs belong to different ports: id {ours or 'unset'} here, "
            f"{theirs or 'unset'} there"
        )
    ours, theirs = field_of(here, "network", "id"), field_of(there, "network", "id")
    if ours != theirs:
        yield (
            f"the VIFs belong to different networks: network.id {ours or 'unset'} here, "
            f"{theirs or 'unset'} there"
        )


def _is_required(loss: Loss, theirs: Mapping[str, Any]) -> bool:
    """Return True for a loss that changes the guest's device or network."""
    if loss.path in {*GUEST_VISIBLE, "port_profile.vlan"}:
        # False and 0 are the defaults of a reader without the field.
        return bool(theirs.get(loss.path))
    return loss.path in _REQUIRED


def _loss(loss: Loss, theirs: Mapping[str, Any], offer: HostOffer, release: str) -> str:
    """Return a loss of a required value, for a sentence."""
    description = {**_REQUIRED, **GUEST_VISIBLE}[loss.path]
    value = f"={theirs[loss.path]}" if loss.path in theirs else ""
    return (
        f"{plug_rules.host_name(offer)} has os-vif {release}, which cannot read {loss.path}{value}, "
        f"{description}"
    )


def _absent_vlan(here: VIFBase, there: VIFBase) -> Iterator[str]:
    """Yield a sentence if a virtual function would lose the VLAN.

    A VIF with a bridge has the VLAN from the switch.
    """
    vlan = field_of(here, "port_profile", "vlan")
    in_switch = field_of(there, "plugin") != "sriov" and field_of(there, "network", "bridge")
    if vlan and not in_switch and not field_of(there, "port_profile", "vlan"):
        yield f"the virtual function has port_profile.vlan={vlan} here, and no VLAN there"


def _is_visible(change: FieldChange, here: VIFBase, there: VIFBase) -> bool:
    """Return True if the guest sees a change."""
    if change.path in GUEST_VISIBLE:
        return True
    return change.path == "kind" and plug_rules.device_kind(here) != plug_rules.device_kind(there)


def _description(change: FieldChange, here: VIFBase, there: VIFBase) -> str:
    """Return a change that the guest sees, for a sentence."""
    if change.path == "kind":
        ours, theirs = plug_rules.device_kind(here), plug_rules.device_kind(there)
        return f"another kind of device ({ours} here, {theirs} there)"
    name = GUEST_VISIBLE[change.path].removeprefix("the ")
    return f"another {name} ({change.path} is {change.here} here, {change.there} there)"


def _changes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return the fields with different values, sorted by path."""
    return tuple(
        FieldChange(path, ours.get(path), theirs.get(path))
        for path in sorted(ours.keys() | theirs.keys())
        if _differ(ours.get(path), theirs.get(path)) and not _is_free(path)
    )


def _fields(vif: VIFBase) -> dict[str, Any]:
    """Return the values of the document of a VIF by path, without the version."""
    data = formats.to_document(vif)
    del data["apiVersion"]
    return dict(_leaves(data))


def _leaves(data: Any, path: str = "", name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of plain data with paths, such as ``network.dns[0]``.

    :param name: the name of the member *data* of an object.
    """
    if isinstance(data, dict):
        for inner, value in data.items():
            yield from _leaves(value, f"{path}.{inner}" if path else inner, inner)
    elif isinstance(data, list):
        for label, value in _labelled(data, _IDENTIFIERS.get(name)):
            yield from _leaves(value, f"{path}[{label}]")
    else:
        yield path, data


def _labelled(items: list[Any], identifier: str | None) -> Iterator[tuple[str, Any]]:
    """Yield the items of an array with labels: the numbers, or the values of a field.

    Items with the same value have equal labels in each order of the array: ``10.0.0.0/24`` and
    ``10.0.0.0/24 (2)``.
    """
    if identifier is None or not all(isinstance(item, dict) for item in items):
        yield from ((str(number), item) for number, item in enumerate(items))
        return
    counts: collections.Counter[str] = collections.Counter()
    for item in sorted(items, key=lambda item: json.dumps(dict(_leaves(item)), sort_keys=True)):
        label = str(item.get(identifier, "unset"))
        counts[label] += 1
        yield (label if counts[label] == 1 else f"{label} ({counts[label]})"), item


def _differ(here: Any, there: Any) -> bool:
    """Return True for different values. An unset field and False are equal."""
    ours, theirs = (None if value is False else value for value in (here, there))
    return bool(ours != theirs)


def _is_free(path: str) -> bool:
    """Return True for a field of ``FREE``, and for a field below."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in FREE)
