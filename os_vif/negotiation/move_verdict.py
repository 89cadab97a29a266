# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The verdict of a live migration: the changes of a VIF, and the reasons against the migration."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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


class FieldChange(NamedTuple):
    """A field with another value on the other host; None for an unset field."""

    #: The path of the field, such as ``port_profile.create_tap``.
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
    #: The changes that the guest would see.
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

    :param here: the VIF on the present host.
    :param there: the VIF of the same port on the other host: see
        :func:`~os_vif.negotiation.vif_of`.
    :param offer: the offer of the other host.
    :raises os_vif.exception.InvalidField: for an offer without a usable release.
    :raises os_vif.exception.SerializationError: for a VIF without an expression in a document.
    """
    changes = _changes(here, there)
    visible = tuple(change for change in changes if _is_visible(change, here, there))
    reasons = [*_identity(here, there), *plug_rules.refusals(there, offer)]
    written = written_vif.write_for(there, offer)
    if written.reason is not None:
        reasons.append(written.reason)
    reasons += [f"the guest would see {_description(change, here, there)}" for change in visible]
    return Verdict(
        possible=not reasons,
        changes=changes,
        guest_visible=visible,
        losses=written.losses,
        reasons=tuple(reasons),
        assumption=field_of(offer, "assumption"),
    )


def _identity(here: VIFBase, there: VIFBase) -> Iterator[str]:
    """Yield a sentence if the VIFs belong to different ports."""
    ours, theirs = field_of(here, "id"), field_of(there, "id")
    if ours != theirs:
        yield f"the VIFs belong to different ports: id {ours} here, {theirs} there"


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


def _changes(here: VIFBase, there: VIFBase) -> tuple[FieldChange, ...]:
    """Return the fields with different values, sorted by path."""
    ours, theirs = dict(_leaves(_document(here))), dict(_leaves(_document(there)))
    return tuple(
        FieldChange(path, ours.get(path), theirs.get(path))
        for path in sorted(ours.keys() | theirs.keys())
        if _differ(ours.get(path), theirs.get(path)) and not _is_free(path)
    )


def _document(vif: VIFBase) -> dict[str, Any]:
    """Return the document of a VIF without the version."""
    data = formats.to_document(vif)
    del data["apiVersion"]
    return data


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of plain data with paths, such as ``network.subnets[0].cidr``."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _leaves(value, f"{path}[{number}]")
    else:
        yield path, data


def _differ(here: Any, there: Any) -> bool:
    """Return True for different values. An unset field and False are equal."""
    ours, theirs = (None if value is False else value for value in (here, there))
    return bool(ours != theirs)


def _is_free(path: str) -> bool:
    """Return True for a field of ``FREE``, and for a field below."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in FREE)
