# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Which release knew which version of which class.

A class states its own history, a tuple of :class:`Version`. Everything else here follows from
those: the manifest of a release, and the versions that go together.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.objects.base import VersionedObject

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
# fmt: on


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
    """The history of a class, oldest version first."""
    return history


_vocabulary: dict[str, type[VersionedObject]] = {}


def enter(cls: type[VersionedObject]) -> None:
    """Take note of a class of ours. Third parties' classes are no part of any release."""
    if cls.__module__.partition(".")[0] == "os_vif":
        _vocabulary[cls.__name__] = cls
        _manifest.cache_clear()


def vocabulary() -> Mapping[str, type[VersionedObject]]:
    """The classes of os-vif by name."""
    from os_vif import objects

    objects.register_all()
    return _vocabulary


def releases() -> tuple[str, ...]:
    """The releases of the public os-vif, oldest first."""
    return _PUBLIC


def own(cls: type) -> tuple[Version, ...]:
    """The history that ``cls`` states itself, not one that it inherits.

    A class from elsewhere may have a field or a method of that name, which is none.
    """
    stated = cls.__dict__.get("history")
    if isinstance(stated, tuple) and all(isinstance(version, Version) for version in stated):
        return stated
    return ()


def _age(release: str) -> int:
    return _PUBLIC.index(release)


def _lived(version: Version, release: str) -> bool:
    return _age(version.since) <= _age(release) and (
        version.until is None or _age(release) < _age(version.until)
    )


def at(cls: type, release: str) -> str | None:
    """The version that ``cls`` had in ``release``; None if it did not exist."""
    alive = [v.number for v in own(cls) if _lived(v, release)]
    return alive[-1] if alive else None


def manifest(release: str) -> dict[str, str]:
    """Class name to version, of every class that ``release`` had.

    :param release: one of :func:`releases`.
    :raises ValueError: for any other.
    """
    if release not in _PUBLIC:
        raise ValueError(f"{release!r} is no release of os-vif; there are {', '.join(_PUBLIC)}")
    return dict(_manifest(release))


@functools.cache
def _manifest(release: str) -> Mapping[str, str]:
    versions = {name: at(cls, release) for name, cls in sorted(vocabulary().items())}
    return {name: version for name, version in versions.items() if version}


def newest_release_with(cls: type, version: str) -> str | None:
    """The newest release in which ``cls`` had ``version``; None if none ever did."""
    having = [release for release in _PUBLIC if at(cls, release) == version]
    return having[-1] if having else None


def burnt(cls: type, version: str | None) -> Version | None:
    """The version of that number, if it is one that ``cls`` took back."""
    return next((v for v in own(cls) if v.until and v.number == version), None)


def readable_as(name: str, version: str) -> str:
    """The version under which a payload is read: its own, unless that is burnt."""
    cls = _vocabulary.get(name)
    return cls.VERSION if cls is not None and burnt(cls, version) else version


def unknown_fields(cls: type, version: str) -> set[str]:
    """The fields that ``cls`` itself brings and that its ``version`` did not have."""
    entry = next(v for v in own(cls) if v.number == version)
    later = {
        field
        for v in own(cls)
        if not v.until and _age(v.since) > _age(entry.since)
        for field in v.adds
    }
    return later | set(entry.removes)
