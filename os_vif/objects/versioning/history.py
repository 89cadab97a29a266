# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""History of the classes: the version of each class in each release.

Each class declares the versions of the class, as a tuple of :class:`Version`. All other results
of this module are derived from the declared histories: the manifest of a release, the release
with a version, and the fields that a version lacks.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from os_vif.codec import registry
from os_vif.objects import class_modules
from os_vif.objects.versioning.releases import (
    CURRENT_RELEASE,
    KURYR_CLASSES,
    KURYR_RELEASES,
    PUBLIC_RELEASES,
    is_at_or_after,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oslo_versionedobjects import base as ovo


class Version(NamedTuple):
    """A version of a class.

    The versions of parent classes and of nested objects are the versions of the same release.
    """

    #: The version, such as ``1.1``.
    number: str
    #: The first release with the version.
    since: str
    #: The names of the added fields. The first version may omit the names: the first version has
    #: every declared field that no later version adds.
    adds: tuple[str, ...] = ()
    #: The names of the removed fields. Only a withdrawn version removes fields.
    removes: tuple[str, ...] = ()
    #: The first later release without the version. The number of a withdrawn version must not be
    #: used again.
    until: str | None = None


def versions(*history: Version) -> tuple[Version, ...]:
    """Return the history of a class, oldest version first."""
    return history


def parse_version(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparisons: ``(1, 10)`` for ``1.10``."""
    return tuple(int(number) for number in version.split("."))


_classes: dict[str, type[ovo.VersionedObject]] = {}


def register(cls: type[ovo.VersionedObject]) -> None:
    """Complete the declared history of a class, and add a class of os-vif to the vocabulary.

    Releases have no classes of third parties.
    """
    first, *later = declared_history(cls)
    added = {name for version in later for name in version.adds}
    names = tuple(name for name in cls.__dict__.get("fields", ()) if name not in added)
    # oslo.versionedobjects declares no attribute "history".
    setattr(cls, "history", (first._replace(adds=names), *later))  # noqa: B010
    if cls.__module__.partition(".")[0] == "os_vif":
        _classes[cls.__name__] = cls
        _manifest.cache_clear()


def public_classes() -> Mapping[str, type[ovo.VersionedObject]]:
    """Return the classes of public releases, and loaded classes of kuryr, by name."""
    class_modules.register_public()
    return _classes


def vocabulary() -> Mapping[str, type[ovo.VersionedObject]]:
    """Return the classes of os-vif and of kuryr-kubernetes, by name."""
    class_modules.register_kuryr()
    return public_classes()


def releases() -> tuple[str, ...]:
    """Return the public releases of os-vif, oldest first."""
    return PUBLIC_RELEASES


def peers() -> tuple[str, ...]:
    """Return the other readers: releases of kuryr such as ``kuryr-10.0.0``, and this library.

    A release of kuryr has the classes of kuryr, and the classes of the oldest os-vif that the
    requirements of kuryr permit.
    """
    return (*KURYR_RELEASES, CURRENT_RELEASE)


def declared_history(cls: type) -> tuple[Version, ...]:
    """Return the history that *cls* declares, or an empty tuple.

    The inherited history does not count. A class of a third party may have a field or a method
    with the name ``history``.
    """
    declared = cls.__dict__.get("history")
    if isinstance(declared, tuple) and all(isinstance(v, Version) for v in declared):
        return declared
    return ()


def _is_withdrawn(cls: type, version: Version) -> bool:
    """Return True for a withdrawn version; False if kuryr merely removed the class."""
    return version.until is not None and version.number != cls.__dict__.get("VERSION")


def _version_in_release(cls: type, release: str) -> str | None:
    number = None
    for version in declared_history(cls):
        if not is_at_or_after(release, version.since):
            continue
        if version.until is None or not is_at_or_after(release, version.until):
            number = version.number
        elif not _is_withdrawn(cls, version):
            # A later kuryr removed the class. This library keeps the class.
            number = version.number if release == CURRENT_RELEASE else None
    return number


@functools.lru_cache(maxsize=256)
def _timeline(cls: type) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the version of *cls* in each release, and the newest release with each version.

    A public release counts as newer than a release of kuryr and than this library.
    """
    readers = (CURRENT_RELEASE, *KURYR_RELEASES, *PUBLIC_RELEASES)
    by_release = {r: version for r in readers if (version := _version_in_release(cls, r))}
    return by_release, {version: release for release, version in by_release.items()}


def version_in_release(cls: type, release: str) -> str | None:
    """Return the version of *cls* in *release*, or None if the release lacks the class."""
    return _timeline(cls)[0].get(release)


def newest_release_with(cls: type, version: str) -> str | None:
    """Return the newest public release with *version* of *cls*, or None.

    If no public release has the version: the newest release of kuryr, or this library.
    """
    return _timeline(cls)[1].get(version)


def manifest(release: str) -> dict[str, str]:
    """Return the version of every class of *release*, by class name.

    :param release: a name of :func:`releases` or :func:`peers`.
    :raises ValueError: for an unknown release.
    """
    if release not in (*PUBLIC_RELEASES, *peers()):
        raise ValueError(f"{release!r} is not a release of os-vif; expected {describe_releases()}")
    return dict(_manifest(release))


def describe_releases() -> str:
    """Return the names of the known releases, for error messages."""
    return (
        f"{', '.join(PUBLIC_RELEASES)}, {CURRENT_RELEASE}, or a release from {KURYR_RELEASES[0]} "
        f"to {KURYR_RELEASES[-1]}"
    )


@functools.cache
def _manifest(release: str) -> Mapping[str, str]:
    # A public release has no class of kuryr, so the classes of kuryr are not registered here.
    classes = public_classes() if release in PUBLIC_RELEASES else vocabulary()
    versions = {name: version_in_release(cls, release) for name, cls in sorted(classes.items())}
    return {name: version for name, version in versions.items() if version}


def is_kuryr_class(name: str) -> bool:
    """Return True for a class of kuryr-kubernetes, which may register the class itself."""
    return name in KURYR_CLASSES


def withdrawn_version(cls: type, version: str | None) -> Version | None:
    """Return the withdrawn version of *cls* with a number, or None."""
    declared = declared_history(cls)
    return next((v for v in declared if v.number == version and _is_withdrawn(cls, v)), None)


def withdrawn_versions(cls: type) -> list[str]:
    """Return the withdrawn versions of *cls*: in some release, and not in a later release."""
    return [version.number for version in declared_history(cls) if _is_withdrawn(cls, version)]


def version_to_read(name: str, version: str) -> str:
    """Return the version to read a payload as: the payload's version, unless withdrawn."""
    cls = _classes.get(name)
    return cls.VERSION if cls is not None and withdrawn_version(cls, version) else version


def _absent_fields(cls: type, version: str) -> set[str]:
    """Return the fields declared by *cls* that a version of *cls* lacks."""
    declared = declared_history(cls)
    entry = next(v for v in declared if v.number == version)
    later = declared[declared.index(entry) + 1 :]
    added = {field for v in later if not _is_withdrawn(cls, v) for field in v.adds}
    return added | set(entry.removes)


def absent_fields(cls: type, release: str) -> set[str]:
    """Return the fields that *cls*, with the parents of *cls*, lacks in *release*."""
    absent: set[str] = set()
    for ancestor in cls.__mro__:
        if declared := declared_history(ancestor):
            version = version_in_release(ancestor, release) or declared[0].number
            absent |= _absent_fields(ancestor, version)
    return absent


registry.configure(vocabulary, withdrawn_versions)
