# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Downgrade: writing an object for a reader of older versions.

The class that is really there decides, at every depth: oslo's own rules follow the declared
type of a field, and lose what a subclass brings.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from oslo_utils import versionutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif.objects.versioning import history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


class Peer(dict[str, str]):
    """What a reader knows: class name to version, as oslo's version manifests have it.

    A manifest is complete if it names every class of the first release: what it does not list,
    the reader does not have. Those that oslo makes (``obj_tree_get_versions``) follow the
    declared fields of one class and never list a subclass: there absence means nothing.
    """

    def __init__(
        self, versions: Mapping[str, str], *, third_parties: bool = False, quiet: bool = False
    ) -> None:
        super().__init__(versions)
        #: Whether who asks tells of losses by other means than the log.
        self.quiet = quiet
        #: Whether classes from outside of os-vif are taken to be known, as they are here.
        self.third_parties = third_parties
        #: The compiled views of classes, by class and version (:mod:`os_vif.objects.versioning.downgrade`).
        self.views: dict[Any, Any] = {}

    @staticmethod
    def of_release(release: str) -> Peer:
        """Return the reader that runs a release, and the classes of other projects known here."""
        return _peer_of_release(release, third_parties=True)

    @classmethod
    def of(cls, manifest: Mapping[str, str]) -> Peer:
        """Recognise a manifest, complete or partial."""
        return manifest if isinstance(manifest, cls) else _recognise(frozenset(manifest.items()))

    def knows(self, cls: type[ovo.VersionedObject]) -> str | None:
        """Return the version of *cls* to write for the reader, or None if the reader lacks the class."""
        version = self.get(cls.obj_name())
        if version is None and self.third_parties and _from_outside(cls):
            return cls.VERSION
        return version


@functools.cache
def _peer_of_release(release: str, *, third_parties: bool) -> Peer:
    return Peer(history.manifest(release), third_parties=third_parties, quiet=not third_parties)


def reader_of_release(release: str) -> Peer:
    """Return the reader that runs a release and no other classes; the log is not told of losses.

    :raises ValueError: if there is no such release.
    """
    return _peer_of_release(release, third_parties=False)


def _from_outside(cls: type[ovo.VersionedObject]) -> bool:
    """Return whether a class comes from another project, or may come from one."""
    name = cls.obj_name()
    if history.of_kuryr(name):
        return True
    registered = ovo.VersionedObjectRegistry.obj_classes()
    return name not in history.public() and name in registered


@functools.lru_cache(maxsize=128)
def _recognise(items: frozenset[tuple[str, str]]) -> Peer:
    """Return the reader of a manifest; the releases that agree complete a partial manifest."""
    manifest = dict(items)
    first, *_ = releases = history.releases()
    if history.manifest(first).keys() <= manifest.keys():
        return Peer(manifest)
    ours = history.public().keys() - set(filter(history.of_kuryr, manifest))
    known = {name: version for name, version in items if name in ours}
    # One that names nothing of ours says nothing of it.
    agreeing = [r for r in releases if known and known.items() <= history.manifest(r).items()]
    # The oldest of those that agree can read what all of them can; a class that came only later
    # is written as it was when it came.
    versions: dict[str, str] = {}
    for release in agreeing or releases[-1:]:
        for name, version in history.manifest(release).items():
            versions[name] = min(versions.get(name, version), version, key=number)
    return Peer(versions | manifest, third_parties=True)


def number(version: str) -> tuple[int, ...]:
    return versionutils.convert_version_to_tuple(version)


def _ancestry(cls: type) -> Iterator[type[Any]]:
    """Yield *cls* and its ancestors that declare a history."""
    return (ancestor for ancestor in cls.__mro__ if history.own(ancestor))


def for_class(cls: type[Any]) -> Callable[[Any, dict[str, Any], str], None]:
    """Return the method ``obj_make_compatible`` of a class that declares a history."""

    def obj_make_compatible(self: Any, primitive: dict[str, Any], target_version: str) -> None:
        """Rework ``primitive``, the data of this object, for a reader of ``target_version``."""
        manifest = getattr(self, "_obj_version_manifest", None)
        inherited = type(self) is not cls and (
            type(self).obj_make_compatible is cls.__dict__["obj_make_compatible"]
        )
        peer = _peer(cls, None if inherited else target_version, manifest)
        if inherited:
            # The number is a third party's own; what goes with it of ours only the reader knows.
            target_version = min(peer.get(cls.__name__, cls.VERSION), cls.VERSION, key=number)
        elif history.burnt(cls, peer.get(cls.__name__)):
            target_version = peer[cls.__name__]
        _drop_fields(cls, primitive, target_version)
        for name in self.fields:
            if name in primitive and self.obj_attr_is_set(name):
                primitive[name] = _nested(getattr(self, name), primitive[name], peer)
                if primitive[name] is _UNKNOWN:
                    del primitive[name]
        self._obj_adapt(primitive, peer)

    return obj_make_compatible


def _peer(cls: type[Any], target_version: str | None, manifest: Mapping[str, str] | None) -> Peer:
    if manifest:
        return Peer.of(manifest)
    if target_version is None:
        return Peer.of_release(history.releases()[-1])
    return peer_with(cls, target_version)


def peer_with(cls: type[Any], target_version: str) -> Peer:
    """Return the reader that runs the newest release with a version of a class.

    :raises oslo_versionedobjects.exception.InvalidTargetVersion: if no release had the version.
    """
    release = history.newest_release_with(cls, target_version)
    if release is None:
        raise ovo_exception.InvalidTargetVersion(version=target_version)
    return Peer.of_release(release)


def _drop_fields(cls: type[Any], primitive: dict[str, Any], version: str) -> None:
    """Remove the fields of :func:`dropped_fields` from ``primitive``."""
    for field in dropped_fields(cls, version):
        primitive.pop(field, None)


def dropped_fields(cls: type[Any], version: str) -> set[str]:
    """Return the fields that a version of a class, with its parents of that time, did not have.

    :raises oslo_versionedobjects.exception.InvalidTargetVersion: if no release had the version.
    """
    release = history.newest_release_with(cls, version)
    if release is None:
        raise ovo_exception.InvalidTargetVersion(version=version)
    dropped: set[str] = set()
    for ancestor in _ancestry(cls):
        ancestral = history.at(ancestor, release) or history.own(ancestor)[0].number
        dropped |= history.unknown_fields(ancestor, ancestral)
    return dropped


def version_for(obj: ovo.VersionedObject, manifest: Mapping[str, str]) -> str:
    """Return the version of *obj* that the reader of a manifest has.

    :raises oslo_versionedobjects.exception.UnsupportedObjectError: if it has no such class.
    """
    version = Peer.of(manifest).knows(type(obj))
    if version is None:
        raise ovo_exception.UnsupportedObjectError(objtype=obj.obj_name())
    if history.burnt(type(obj), version):
        return version
    return min(version, obj.VERSION, key=number)


_UNKNOWN = object()


def _nested(value: Any, primitive: Any, peer: Peer) -> Any:
    """Return the primitive of a field's value, converted for *peer*.

    :returns: ``_UNKNOWN`` if the reader has neither the class nor an ancestor of it.
    """
    if isinstance(value, ovo.VersionedObject):
        return _nested_object(value, primitive, peer)
    if isinstance(value, list):
        items = [_nested(item, p, peer) for item, p in zip(value, primitive, strict=True)]
        return [item for item in items if item is not _UNKNOWN]
    if isinstance(value, dict):
        table = {name: _nested(item, primitive[name], peer) for name, item in value.items()}
        return {name: item for name, item in table.items() if item is not _UNKNOWN}
    return primitive


def nearest_known(cls: type[Any], own_version: str, peer: Peer) -> tuple[type[Any] | None, str]:
    """Return the nearest class of an ancestry that a reader has, with the version to write.

    :param own_version: the version of the object, which is the newest version to write.
    """
    for known in cls.__mro__:
        if issubclass(known, ovo.VersionedObject) and (version := peer.knows(known)):
            if history.burnt(known, version):
                return known, version
            newest = own_version if known is cls else known.VERSION
            return known, min(version, newest, key=number)
    return None, ""


def convert_object(value: Any, primitive: dict[str, Any], peer: Peer) -> dict[str, Any] | None:
    """Return the primitive of an object for a reader, or None if the reader lacks the class."""
    converted = _nested_object(value, primitive, peer)
    return None if converted is _UNKNOWN else converted


def _nested_object(value: ovo.VersionedObject, primitive: dict[str, Any], peer: Peer) -> Any:
    """Convert a nested object to the nearest class of the ancestry that the reader has."""
    cls, version = nearest_known(type(value), value.VERSION, peer)
    if cls is None:
        return _UNKNOWN
    data = value._obj_primitive_field(primitive, "data")
    if cls is type(value):
        value.obj_make_compatible_from_manifest(data, version, peer)
    else:
        for field in data.keys() - cls.fields.keys():
            del data[field]
        value._obj_version_manifest = peer
        try:
            cls.obj_make_compatible(value, data, version)
        finally:
            del value._obj_version_manifest
        primitive[value._obj_primitive_key("name")] = cls.obj_name()
    primitive[value._obj_primitive_key("version")] = version
    key = value._obj_primitive_key("changes")
    primitive[key] = changes(value, data, primitive.get(key, ()))
    if not primitive[key]:
        del primitive[key]
    return primitive


def changes(
    obj: ovo.VersionedObject, data: Mapping[str, Any], changed: Iterable[str]
) -> list[str]:
    """Return the names in *changed* that *data* has, for the reader.

    And what has changes in it and stands where ``obj`` has no field: the reader has one there.
    """
    key = obj._obj_primitive_key("changes")
    moved = {
        field
        for field in data.keys() - obj.fields.keys()
        if isinstance(data[field], dict) and key in data[field]
    }
    return sorted(moved.union(field for field in changed if field in data))
