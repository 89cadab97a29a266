# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""History of the classes: the version of each class in each release.

A class states its own history, a tuple of :class:`Version`. Everything else here follows from
those: the manifest of a release, and the versions that go together.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from os_vif.codec import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oslo_versionedobjects import base as ovo

#: The public releases, oldest first.
# fmt: off
_PUBLIC = (
    "1.0.0", "1.1.0", "1.2.0", "1.2.1", "1.3.0", "1.4.0", "1.4.1", "1.5.0", "1.6.0", "1.7.0",
    "1.7.1", "1.7.2", "1.8.0", "1.9.0", "1.9.1", "1.9.2", "1.10.0", "1.11.0", "1.11.1", "1.11.2",
    "1.12.0", "1.13.0", "1.13.1", "1.14.0", "1.15.0", "1.15.1", "1.15.2", "1.16.0", "1.17.0",
    "2.0.0", "2.0.1", "2.1.0", "2.2.0", "2.2.1", "2.3.0", "2.4.0", "2.4.1", "2.5.0", "2.6.0",
    "2.6.1", "2.7.0", "2.7.1", "2.7.2", "2.8.0", "3.0.0", "3.0.1", "3.1.0", "3.1.1", "3.2.0",
    "3.3.0", "3.4.0", "3.5.0", "3.6.0", "3.7.0", "3.7.1", "4.0.0", "4.1.0", "4.2.0", "4.2.1",
    "4.3.0", "4.3.1", "5.0.0", "5.1.0", "5.2.0", "5.2.1", "5.2.2", "5.3.0",
)
#: The releases of kuryr-kubernetes, oldest first. Each is a peer of its own: it brings classes.
_KURYR = tuple(f"kuryr-{number}" for number in (
    "0.1.0", "0.2.0", "0.2.1", "0.3.0", "0.4.0", "0.4.1", "0.4.2", "0.4.3", "0.4.4", "0.4.5",
    "0.4.6", "0.4.7", "0.5.0", "0.5.1", "0.5.2", "0.5.3", "0.5.4", "0.6.0", "0.6.1", "1.0.0",
    "1.0.1", "1.1.0", "1.1.1", "1.1.2", "2.0.0", "2.1.0", "3.0.0", "3.1.0", "4.0.0", "4.0.1",
    "5.0.0", "6.0.0", "6.0.1", "7.0.0", "8.0.0", "9.0.0", "10.0.0",
))
# fmt: on
#: From which of them on the oldest os-vif that may be there, by its requirements, is which.
_BESIDE_KURYR = {"kuryr-0.1.0": "1.4.0", "kuryr-0.2.0": "1.7.0", "kuryr-2.0.0": "1.12.0"}
#: What kuryr brings, whether it is loaded or not.
_KURYR_KINDS = frozenset(
    ("PodState", "VIFDPDKNested", "VIFMacvlanNested", "VIFSriov", "VIFVlanNested")
)
#: This library, until its first release. It has every class in its newest version.
OURS = "6.0.0"


class Version(NamedTuple):
    """One version of a class.

    The versions of the parent class and of nested objects that go with it are those of the same
    release, so they need not be said again.
    """

    #: The version, such as ``1.1``.
    number: str
    #: The first release that had it.
    since: str
    #: The fields that it added, by name.
    adds: tuple[str, ...] = ()
    #: The fields that it took away. Only a version that was itself taken back ever did.
    removes: tuple[str, ...] = ()
    #: The first release that no longer had it, for a version that was taken back. Its number is
    #: burnt: the class must not use it again.
    until: str | None = None


def versions(*history: Version) -> tuple[Version, ...]:
    """Return the history of a class, oldest version first."""
    return history


_vocabulary: dict[str, type[ovo.VersionedObject]] = {}


def enter(cls: type[ovo.VersionedObject]) -> None:
    """Register a class of os-vif. Classes of third parties belong to no release."""
    if cls.__module__.partition(".")[0] == "os_vif":
        _vocabulary[cls.__name__] = cls
        _manifest.cache_clear()


def public() -> Mapping[str, type[ovo.VersionedObject]]:
    """Return the classes of public releases, and loaded classes of kuryr, by name."""
    from os_vif import objects

    objects.register_all()
    return _vocabulary


def vocabulary() -> Mapping[str, type[ovo.VersionedObject]]:
    """Return the classes of os-vif and of kuryr-kubernetes, by name."""
    from os_vif import objects

    objects.register_kuryr()
    return public()


def releases() -> tuple[str, ...]:
    """Return the releases of the public os-vif, oldest first."""
    return _PUBLIC


def peers() -> tuple[str, ...]:
    """Return the other readers: this library, and releases of kuryr such as ``kuryr-10.0.0``.

    A release of kuryr stands for its own classes and the oldest os-vif that it may run with.
    """
    return (*_KURYR, OURS)


def own(cls: type) -> tuple[Version, ...]:
    """Return the history that *cls* declares, without inherited history.

    A class from elsewhere may have a field or a method of that name, which is none.
    """
    stated = cls.__dict__.get("history")
    if isinstance(stated, tuple) and all(isinstance(version, Version) for version in stated):
        return stated
    return ()


def _reached(event: str, release: str) -> bool:
    """Return whether *release* is *event* or later; classes of kuryr count for kuryr and this library."""
    if release == OURS:
        return True
    if release in _KURYR:
        if event in _KURYR:
            return _KURYR.index(event) <= _KURYR.index(release)
        release = beside(release)
    return event in _PUBLIC and _PUBLIC.index(event) <= _PUBLIC.index(release)


def beside(release: str) -> str:
    """Return the release of os-vif with the classes of a peer."""
    if release not in _KURYR:
        return release
    since = [first for first in _BESIDE_KURYR if _KURYR.index(first) <= _KURYR.index(release)]
    return _BESIDE_KURYR[since[-1]]


def _ended(cls: type, version: Version, release: str) -> bool:
    """Return whether a release no longer has a version. This library keeps the classes of kuryr."""
    if version.until is None or (release == OURS and not _taken_back(cls, version)):
        return False
    return _reached(version.until, release)


def _taken_back(cls: type, version: Version) -> bool:
    """Return whether a version was withdrawn, so that its number must not be reused."""
    return version.until is not None and version.number != cls.__dict__.get("VERSION")


def at(cls: type, release: str) -> str | None:
    """Return the version of *cls* in *release*, or None if the release lacks the class."""
    return _times(cls)[0].get(release)


@functools.lru_cache(maxsize=256)
def _times(cls: type) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the version of *cls* in each release, and the newest release with each version.

    Of those that only kuryr or this library has, the newest of theirs.
    """
    had = {r: version for r in (OURS, *_KURYR, *_PUBLIC) if (version := _at(cls, r))}
    return had, {version: release for release, version in had.items()}


def _at(cls: type, release: str) -> str | None:
    reached = [
        version
        for version in own(cls)
        if _reached(version.since, release)
        and not (_taken_back(cls, version) and _ended(cls, version, release))
    ]
    return reached[-1].number if reached and not _ended(cls, reached[-1], release) else None


def manifest(release: str) -> dict[str, str]:
    """Return the version of every class of *release*, by class name.

    :param release: one of :func:`releases` or :func:`peers`.
    :raises ValueError: for any other.
    """
    if release not in (*_PUBLIC, *_KURYR, OURS):
        raise ValueError(
            f"{release!r} is no release of os-vif; there are {', '.join(_PUBLIC)}, and "
            f"{OURS}, {_KURYR[0]} to {_KURYR[-1]}"
        )
    return dict(_manifest(release))


@functools.cache
def _manifest(release: str) -> Mapping[str, str]:
    # Of kuryr's classes no public release has any, so nobody needs to have them registered.
    classes = public() if release in _PUBLIC else vocabulary()
    versions = {name: at(cls, release) for name, cls in sorted(classes.items())}
    return {name: version for name, version in versions.items() if version}


def newest_release_with(cls: type, version: str) -> str | None:
    """Return the newest release with *version* of *cls*, or None.

    Of a class that no public release has, the newest of the others.
    """
    return _times(cls)[1].get(version)


def of_kuryr(name: str) -> bool:
    """Return whether a class comes from kuryr-kubernetes, which may register the class itself."""
    return name in _KURYR_KINDS


def burnt(cls: type, version: str | None) -> Version | None:
    """Return the withdrawn version of *cls* with a number, or None."""
    return next((v for v in own(cls) if v.number == version and _taken_back(cls, v)), None)


def readable_as(name: str, version: str) -> str:
    """Return the version to read a payload as: the payload's version, unless withdrawn."""
    cls = _vocabulary.get(name)
    return cls.VERSION if cls is not None and burnt(cls, version) else version


def unknown_fields(cls: type, version: str) -> set[str]:
    """Return the fields declared by *cls* that a version of *cls* lacks."""
    stated = own(cls)
    entry = next(v for v in stated if v.number == version)
    after = stated[stated.index(entry) + 1 :]
    later = {field for v in after if not _taken_back(cls, v) for field in v.adds}
    return later | set(entry.removes)


def withdrawn(cls: type) -> list[str]:
    """Return the versions that *cls* had in some release and withdrew in a later one."""
    return [version.number for version in own(cls) if _taken_back(cls, version)]


registry.configure(vocabulary, withdrawn)
