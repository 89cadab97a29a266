# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Downgrade: a compiled codec for each class of os-vif, version and older reader.

A :class:`View` lists the fields of a reader. :func:`encode` writes these fields, and notes each
dropped field as a :class:`~os_vif.codec.unknown.Loss`. A class of a third party is written
through the method ``obj_make_compatible`` of the class.
"""

from __future__ import annotations

import copy
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif.codec import primitive as codec
from os_vif.codec import registry
from os_vif.codec.compiled import CHANGED, INITIAL_CHANGES, NO_NAMES
from os_vif.codec.path import below, joined
from os_vif.codec.registry import FIXED_IPS
from os_vif.codec.unknown import UNKNOWN, Loss
from os_vif.objects.versioning import history, losses, make_compatible, release_1_8
from os_vif.objects.versioning.manifest import TargetManifest, dropped_fields

LEFT_OUT = "left out"


class View:
    """A class in the version of a reader.

    :param known: the class, or the nearest ancestor of the class in the reader.
    """

    def __init__(
        self, cls: type[Any], known: type[Any], version: str, peer: TargetManifest
    ) -> None:
        self.name: str = known.obj_name()
        self.version = version
        self.is_renamed = known is not cls
        compiled = codec.PRIMITIVES[cls]
        self.fields = compiled.fields
        self.is_list = compiled.is_list
        dropped = dropped_fields(known, _version_to_drop(known, version, peer))
        dropped |= cls.fields.keys() - known.fields.keys()
        #: Name, attribute, the encoding functions, and True to drop the field.
        self.rows = [(*row, row[0] in dropped) for row in compiled.sorted_dumpers]
        #: The defaults of the constructor of the reader.
        self.initial = {name: make() for name, make in known._obj_initial.items()}
        vif_base = history.public_classes()["VIFBase"]
        withdrawn = history.withdrawn_version(vif_base, peer.get("VIFBase"))
        self.moves_addresses = registry.has_fixed_ips(cls) and withdrawn is not None


def _version_to_drop(known: type[Any], version: str, peer: TargetManifest) -> str:
    """Return the version with the fields of a view."""
    of_peer = peer.get(known.__name__)
    return str(of_peer) if history.withdrawn_version(known, of_peer) else version


def view_of(obj: Any, peer: TargetManifest, target: str | None = None) -> View | None:
    """Return the view of an object of os-vif for a reader; None if the reader lacks the class.

    :param target: the version to write instead of the version of the reader.
    """
    cls = type(obj)
    key = cls, obj.VERSION, target
    if key not in peer.views:
        known, version = peer.nearest_known_class(cls, obj.VERSION)
        if target is not None:
            known, version = cls, target
        peer.views[key] = View(cls, known, version, peer) if known is not None else None
    found: View | None = peer.views[key]
    return found


class Encoding:
    """The state of a call of :func:`encode`."""

    def __init__(self, peer: TargetManifest) -> None:
        self.peer = peer
        self.views = peer.views
        #: The number of written objects and arrays.
        self.count = 0
        #: True if an object has unknown fields. No reader gets unknown fields.
        self.has_unknown = False


def encode(
    obj: ovo.VersionedObject, target_version: str | None, manifest: Any
) -> tuple[dict[str, Any], list[Loss], Encoding | None]:
    """Return the primitive of an object of os-vif for an older reader, and the losses.

    :raises oslo_versionedobjects.exception.InvalidTargetVersion: for a version without a
        release.
    :raises oslo_versionedobjects.exception.UnsupportedObjectError: if the manifest is complete
        and lacks the class.
    """
    peer = TargetManifest.from_mapping(manifest) if manifest else None
    view = None
    if peer is not None and target_version is None:
        view = peer.views.get((type(obj), obj.VERSION, None))
    if peer is None or view is None or view.is_renamed:
        peer, view = _target(obj, target_version, peer)
    if view is None:
        return codec.encode(obj), [], None
    ctx = Encoding(peer)
    primitive, _, lost = _write(obj, view, ctx)
    return primitive, lost or [], ctx


def _target(
    obj: Any, target_version: str | None, peer: TargetManifest | None
) -> tuple[TargetManifest, View | None]:
    """Return the reader and the view of :func:`encode`; no view for the version of the object."""
    cls = type(obj)
    known = peer.version_to_write(obj) if peer is not None else None
    target = target_version or known
    withdrawn = history.withdrawn_version(cls, target)
    if withdrawn is not None:
        peer = peer or TargetManifest.of_release(withdrawn.since)
        return peer, view_of(obj, peer, target_version and target)
    if history.parse_version(str(target)) > history.parse_version(obj.VERSION):
        raise ovo_exception.InvalidTargetVersion(version=target)
    is_own = peer is None and target == obj.VERSION
    peer = peer or TargetManifest.of_class_version(cls, str(target))
    return peer, None if is_own else view_of(obj, peer, target_version and target)


Written = tuple[Any, bool, list[Loss] | None]


def _write(  # noqa: C901, PLR0912 - the inner loop of a downgrade
    obj: Any, view: View, ctx: Encoding
) -> Written:
    """Return the primitive of an object, True if the object has changed, and the losses."""
    state = obj.__dict__
    names = state.get(CHANGED)
    if names is None:
        names = state.get(INITIAL_CHANGES, NO_NAMES)
    lost: list[Loss] | None = None
    data: dict[str, Any] = {}
    changed = []
    is_changed = False
    ctx.count += 2
    if view.is_renamed:
        lost = [Loss("", f"{obj.obj_name()} becomes {view.name}")]
    for name, attribute, dump, dump_nested, is_object, is_dropped in view.rows:
        if attribute not in state:
            continue
        value = state[attribute]
        if is_dropped:
            is_changed = is_changed or bool(
                is_object and value is not None and value.obj_what_changed()
            )
            lost = [*(lost or ()), *_drop(name, value, view)]
            # The dropped objects may have unknown fields.
            ctx.has_unknown = ctx.has_unknown or dump_nested is not None
            continue
        if value is None:
            pass
        elif dump is not None:
            value = dump(value)
        elif dump_nested is not None:
            if is_object:
                value, is_changed_within, lost_within = _write_object(value, ctx)
                if is_changed_within:
                    is_changed = True
                    if name not in names:
                        changed.append(name)
            else:
                value, lost_within = _write_members(value, ctx)
            if lost_within:
                lost = (lost or []) + _inside(lost_within, view, name)
            if value is None:
                continue
        data[name] = value
        if name in names:
            changed.append(name)
    if view.moves_addresses:
        lost = _move_addresses(obj, data, lost, ctx)
        changed = codec.changed_fields(obj, data, changed)
    elif FIXED_IPS in state:
        lost = _lose_addresses(obj, lost)
    if UNKNOWN in state or FIXED_IPS in state:
        ctx.has_unknown = True
    primitive = {
        codec.NAME: view.name,
        codec.NAMESPACE_KEY: registry.NAMESPACE,
        codec.VERSION: view.version,
        codec.DATA: data,
    }
    if changed:
        primitive[codec.CHANGES] = changed
    return primitive, is_changed or not view.fields.isdisjoint(names), lost


def _drop(name: str, value: Any, view: View) -> list[Loss]:
    """Return the loss of a dropped field; none if the value is the default of the reader."""
    if name not in view.initial:
        return [Loss(below("", name), LEFT_OUT)]
    default = view.initial[name]
    if default == value:
        return []
    return [Loss(below("", name), f"{value!r} becomes {default!r}")]


def _inside(lost: list[Loss], view: View, name: str) -> list[Loss]:
    """Return losses in a field, with paths relative to the object."""
    if view.is_list:
        return lost
    prefix = below("", name)
    return [Loss(joined(prefix, loss.path), loss.what) for loss in lost]


def _write_members(value: Any, ctx: Encoding) -> tuple[Any, list[Loss]]:
    """Return the data of a list or a dict of objects, and the losses."""
    ctx.count += 1
    lost: list[Loss] = []
    members = value.items() if isinstance(value, dict) else enumerate(value)
    written = {}
    for part, item in members:
        data, _, lost_within = _write_object(item, ctx)
        if lost_within:
            prefix = below("", part)
            lost += [Loss(joined(prefix, loss.path), loss.what) for loss in lost_within]
        if data is not None:
            written[part] = data
    return written if isinstance(value, dict) else list(written.values()), lost


def _write_object(obj: Any, ctx: Encoding) -> Written:
    """Return the data of a nested object, which is None if the reader lacks the class."""
    view = ctx.views.get((type(obj), obj.VERSION, None))
    if view is not None:
        return _write(obj, view, ctx)
    if not codec.PRIMITIVES[type(obj)].is_direct:
        return _write_foreign(obj, ctx)
    view = view_of(obj, ctx.peer)
    if view is None:
        ctx.has_unknown = True
        return None, bool(obj.obj_what_changed()), [Loss("", LEFT_OUT)]
    return _write(obj, view, ctx)


def _write_foreign(obj: Any, ctx: Encoding) -> Written:
    """Write an object of another project's class through the methods of the class."""
    ctx.count += 2
    ctx.has_unknown = True
    before = obj.obj_to_primitive()
    after = make_compatible.convert_object(obj, copy.deepcopy(before), ctx.peer)
    is_changed = bool(obj.obj_what_changed())
    if after is None:
        return None, is_changed, [Loss("", LEFT_OUT)]
    return after, is_changed, list(losses.between(before, after))


def _move_addresses(
    vif: Any, data: dict[str, Any], lost: list[Loss] | None, ctx: Encoding
) -> list[Loss] | None:
    """Write the addresses of a VIF for release 1.8.0, and correct the losses."""
    moved = release_1_8.move_addresses_to_vif(vif, data, ctx.peer)
    if not moved:
        return _lose_addresses(vif, lost) if FIXED_IPS in vars(vif) else lost
    there = [release_1_8.key_of(ip) for ip in moved]
    remaining = list(lost or ())
    for number, subnet in enumerate(release_1_8.subnets(vif)):
        addresses = release_1_8.members(release_1_8.value_of(subnet, "_obj_ips"))
        loss = Loss(f"network.subnets[{number}].ips", LEFT_OUT)
        if addresses and loss in remaining:
            at = remaining.index(loss)
            remaining[at : at + 1] = _missing(addresses, there, loss.path)
    return remaining


def _lose_addresses(vif: Any, lost: list[Loss] | None) -> list[Loss] | None:
    """Add a loss for each address of release 1.8.0 without a subnet in the VIF."""
    own = vars(vif)[FIXED_IPS]
    if not isinstance(own, ovo.ObjectListBase):
        return lost
    there = [
        release_1_8.key_of(ip)
        for subnet in release_1_8.subnets(vif)
        for ip in release_1_8.members(release_1_8.value_of(subnet, "_obj_ips"))
    ]
    return [*(lost or ()), *_missing(release_1_8.members(own), there, FIXED_IPS)]


def _missing(addresses: Any, there: list[Any], path: str) -> list[Loss]:
    return [
        Loss(below(path, number), LEFT_OUT)
        for number, ip in enumerate(addresses)
        if release_1_8.key_of(ip) not in there
    ]
