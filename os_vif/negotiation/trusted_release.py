# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The release of os-vif on a host: the sources, in order of trust.

1. The release that the caller states, such as a pin of the operator.
2. ``resource_versions["os_vif"]`` of an agent, or ``os-vif-release`` of an OVN chassis.
3. The release in a :class:`~os_vif.objects.HostOffer`.
4. A ``HostInfo`` of os-vif 6.0.0 or later, which states the true versions of the classes.
5. A ``HostInfo`` of a public release, which states version 1.0 for all classes: the oldest release
   that has the named classes is assumed, and the offer names the assumption. A release with a
   withdrawn version of a class (1.8.0) is never assumed: no other release reads the text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from os_vif import exception
from os_vif.codec.path import describe
from os_vif.negotiation.released_plugins import RELEASES, first_release_with
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version
from os_vif.objects.versioning.release_names import newest_release_until
from os_vif.objects.versioning.releases import CURRENT_RELEASE, PUBLIC_RELEASES

#: The first release with port profiles in ``HostInfo``.
_FIRST_WITH_PROFILES = "1.8.0"


def known_release(release: str, field: str = "release", host: str | None = None) -> str:
    """Return the newest release known to this library that is not newer than *release*.

    A host with an unknown, newer release reads the data for the returned release. Missing numbers
    are zero: ``5.3`` is 5.3.0. A version before a release, such as ``5.3.0.dev7`` or ``5.3.0rc1``,
    reads the data for the previous release.

    :param field: the name of the value for the error.
    :param host: the name of the host for the error, if known.
    :raises os_vif.exception.InvalidField: for a text that is no release, and for a release that
        is older than 1.0.0.
    """
    known = newest_release_until(release)
    if known is None:
        raise exception.InvalidField(
            field=field,
            found=describe(release) if host is None else f"{describe(release)} for host {host}",
            expected="a release of os-vif, such as '5.3.0'",
        )
    return known


@functools.cache
def has_withdrawn_versions(release: str) -> bool:
    """Return True if a release has a version of a class that no later release reads."""
    classes = history.public_classes()
    return any(
        history.withdrawn_version(classes[name], version) is not None
        for name, version in history.manifest(release).items()
        if name in classes
    )


def release_of_versions(newest: Mapping[str, str]) -> str | None:
    """Return the release of a host from the versions of the classes in a ``HostInfo``.

    :param newest: the newest version that the host reads, by class name.
    :returns: the newest release with no version above *newest*. None if every version is 1.0, as
        in public releases, whose ``HostInfo`` does not state the true versions.
    """
    if all(version == "1.0" for version in newest.values()):
        return None
    fitting = [
        release
        for release in RELEASES
        if all(
            parse_version(version) <= parse_version(newest[name])
            for name, version in history.manifest(release).items()
            if name in newest
        )
        and _has_classes(release, newest)
        and not has_withdrawn_versions(release)
    ]
    return fitting[-1] if fitting else None


def assumed_release(
    classes: Iterable[str], plugins: Iterable[str] = (), *, has_profiles: bool = True
) -> str:
    """Return the oldest release with the named classes and plugins whose text later releases read.

    Names of other projects have no effect.

    :param has_profiles: True if the source names port profiles, as since release 1.8.0.
    """
    wanted = set(classes)
    starts = {first_release_with(name) for name in plugins}
    starts.add(_FIRST_WITH_PROFILES if has_profiles else PUBLIC_RELEASES[0])
    first = max(RELEASES.index(start) for start in starts if start)
    candidates = [r for r in RELEASES[first:] if not has_withdrawn_versions(r)]
    return next((r for r in candidates if _has_classes(r, wanted)), CURRENT_RELEASE)


def _has_classes(release: str, names: Iterable[str]) -> bool:
    """Return True if a release has all named classes of the vocabulary."""
    manifest, vocabulary = history.manifest(release), history.public_classes()
    return all(name in manifest for name in names if name in vocabulary)
