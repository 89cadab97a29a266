# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The version manifest of a reader: the classes of the reader, and the version of each."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif.codec import field
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version

if TYPE_CHECKING:
    from collections.abc import Mapping


class TargetManifest(dict[str, str]):
    """Class name to version, as in the version manifests of oslo.versionedobjects.

    A complete manifest names every class of release 1.0.0. The reader lacks each class without a
    version. A partial manifest, such as the result of ``obj_tree_get_versions``, names only the
    declared classes of fields and never a subclass; :meth:`from_mapping` completes the manifest.

    :param has_third_parties: True if the reader has the same classes of other projects as this
        process.
    :param log_losses: False if the caller reports losses without the log.
    """

    def __init__(
        self,
        versions: Mapping[str, str],
        *,
        has_third_parties: bool = False,
        log_losses: bool = True,
    ) -> None:
        super().__init__(versions)
        self.has_third_parties = has_third_parties
        self.log_losses = log_losses
        #: The compiled views of :mod:`os_vif.objects.versioning.downgrade`, by class and version.
        self.views: dict[Any, Any] = {}

    @staticmethod
    def of_release(release: str) -> TargetManifest:
        """Return the manifest of a release, with the classes of other projects in this process."""
        return _manifest_of_release(release, has_third_parties=True)

    @staticmethod
    def of_release_alone(release: str) -> TargetManifest:
        """Return the manifest of a release without other classes, and without logged losses.

        :raises ValueError: for an unknown release.
        """
        return _manifest_of_release(release, has_third_parties=False)

    @staticmethod
    def of_class_version(object_class: type[Any], version: str) -> TargetManifest:
        """Return the manifest of the newest release with a version of a class.

        :raises oslo_versionedobjects.exception.InvalidTargetVersion: for a version without a
            release.
        """
        return TargetManifest.of_release(_release_with(object_class, version))

    @staticmethod
    def from_mapping(manifest: Mapping[str, str]) -> TargetManifest:
        """Return the manifest of a reader from a complete or a partial mapping."""
        if isinstance(manifest, TargetManifest):
            return manifest
        return _recognize(frozenset(manifest.items()))

    def version_of(self, cls: type[ovo.VersionedObject]) -> str | None:
        """Return the version of *cls* in the reader, or None if the reader lacks the class."""
        version = self.get(cls.obj_name())
        if version is None and self.has_third_parties and _is_foreign(cls):
            return cls.VERSION
        return version

    def version_to_write(self, obj: ovo.VersionedObject) -> str:
        """Return the version of an object for the reader, at most the version of the object.

        :raises oslo_versionedobjects.exception.UnsupportedObjectError: if the reader lacks the
            class.
        """
        known, version = self.nearest_known_class(type(obj), obj.VERSION)
        if known is not type(obj):
            raise ovo_exception.UnsupportedObjectError(objtype=obj.obj_name())
        return version

    def nearest_known_class(
        self, cls: type[Any], own_version: str
    ) -> tuple[type[Any] | None, str]:
        """Return *cls* or the nearest parent in the reader, and the version to write.

        :param own_version: the version of the object, which is the newest version to write.
        :returns: None and an empty text if the reader has no class.
        """
        for parent in cls.__mro__:
            if issubclass(parent, ovo.VersionedObject) and (version := self.version_of(parent)):
                if history.withdrawn_version(parent, version):
                    return parent, version
                newest = own_version if parent is cls else parent.VERSION
                return parent, min(version, newest, key=parse_version)
        return None, ""


@functools.cache
def _manifest_of_release(release: str, *, has_third_parties: bool) -> TargetManifest:
    return TargetManifest(
        history.manifest(release),
        has_third_parties=has_third_parties,
        log_losses=has_third_parties,
    )


def _is_foreign(cls: type[ovo.VersionedObject]) -> bool:
    """Return True for a class of another project, or a class of kuryr."""
    name = cls.obj_name()
    if history.is_kuryr_class(name):
        return True
    registered = ovo.VersionedObjectRegistry.obj_classes()
    return name not in history.public_classes() and name in registered


@functools.lru_cache(maxsize=128)
def _recognize(items: frozenset[tuple[str, str]]) -> TargetManifest:
    """Return the manifest of a reader; the matching releases complete a partial manifest."""
    manifest = dict(items)
    first, *_ = releases = history.releases()
    if history.manifest(first).keys() <= manifest.keys():
        return TargetManifest(manifest)
    classes = history.public_classes().keys() - set(filter(history.is_kuryr_class, manifest))
    known = {name: version for name, version in items if name in classes}
    # A manifest without a class of os-vif matches no release.
    matching = [r for r in releases if known and known.items() <= history.manifest(r).items()]
    # Every matching release can read the oldest version that any matching release has.
    versions: dict[str, str] = {}
    for release in matching or releases[-1:]:
        for name, version in history.manifest(release).items():
            versions[name] = min(versions.get(name, version), version, key=parse_version)
    return TargetManifest(versions | manifest, has_third_parties=True)


# A manifest caches compiled views.
field.on_register += [_manifest_of_release.cache_clear, _recognize.cache_clear]


def _release_with(cls: type[Any], version: str) -> str:
    release = history.newest_release_with(cls, version)
    if release is None:
        raise ovo_exception.InvalidTargetVersion(version=version)
    return release


def dropped_fields(cls: type[Any], version: str) -> set[str]:
    """Return the fields that a version of *cls*, with the parents of that time, lacks.

    :raises oslo_versionedobjects.exception.InvalidTargetVersion: for a version without a release.
    """
    return history.absent_fields(cls, _release_with(cls, version))
