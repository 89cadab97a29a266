# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Releases of os-vif and of kuryr-kubernetes: the readers of stored objects."""

from __future__ import annotations

#: The public releases, oldest first.
# fmt: off
PUBLIC_RELEASES = (
    "1.0.0", "1.1.0", "1.2.0", "1.2.1", "1.3.0", "1.4.0", "1.4.1", "1.5.0", "1.6.0", "1.7.0",
    "1.7.1", "1.7.2", "1.8.0", "1.9.0", "1.9.1", "1.9.2", "1.10.0", "1.11.0", "1.11.1", "1.11.2",
    "1.12.0", "1.13.0", "1.13.1", "1.14.0", "1.15.0", "1.15.1", "1.15.2", "1.16.0", "1.17.0",
    "2.0.0", "2.0.1", "2.1.0", "2.2.0", "2.2.1", "2.3.0", "2.4.0", "2.4.1", "2.5.0", "2.6.0",
    "2.6.1", "2.7.0", "2.7.1", "2.7.2", "2.8.0", "3.0.0", "3.0.1", "3.1.0", "3.1.1", "3.2.0",
    "3.3.0", "3.4.0", "3.5.0", "3.6.0", "3.7.0", "3.7.1", "4.0.0", "4.1.0", "4.2.0", "4.2.1",
    "4.3.0", "4.3.1", "5.0.0", "5.1.0", "5.2.0", "5.2.1", "5.2.2", "5.3.0",
)
#: The releases of kuryr-kubernetes, oldest first, as reader names.
KURYR_RELEASES = tuple(f"kuryr-{number}" for number in (
    "0.1.0", "0.2.0", "0.2.1", "0.3.0", "0.4.0", "0.4.1", "0.4.2", "0.4.3", "0.4.4", "0.4.5",
    "0.4.6", "0.4.7", "0.5.0", "0.5.1", "0.5.2", "0.5.3", "0.5.4", "0.6.0", "0.6.1", "1.0.0",
    "1.0.1", "1.1.0", "1.1.1", "1.1.2", "2.0.0", "2.1.0", "3.0.0", "3.1.0", "4.0.0", "4.0.1",
    "5.0.0", "6.0.0", "6.0.1", "7.0.0", "8.0.0", "9.0.0", "10.0.0",
))
# fmt: on
#: The oldest os-vif that the requirements of kuryr permit, by the first release of kuryr.
_OLDEST_OS_VIF = {"kuryr-0.1.0": "1.4.0", "kuryr-0.2.0": "1.7.0", "kuryr-2.0.0": "1.12.0"}
#: The classes of kuryr.
KURYR_CLASSES = frozenset(
    ("PodState", "VIFDPDKNested", "VIFMacvlanNested", "VIFSriov", "VIFVlanNested")
)
#: This library, until the first release. The release has the newest version of every class.
CURRENT_RELEASE = "6.0.0"


def bundled_os_vif(release: str) -> str:
    """Return the release of os-vif with the classes of a reader.

    For a release of kuryr: the oldest os-vif that the requirements permit.
    """
    if release not in KURYR_RELEASES:
        return release
    number = KURYR_RELEASES.index(release)
    return [v for r, v in _OLDEST_OS_VIF.items() if KURYR_RELEASES.index(r) <= number][-1]


def is_at_or_after(release: str, event: str) -> bool:
    """Return True if *release* is the release *event* or a later release.

    Only releases of kuryr, and this library, are later than a release of kuryr.
    """
    if release == CURRENT_RELEASE:
        return True
    if event in KURYR_RELEASES:
        return release in KURYR_RELEASES[KURYR_RELEASES.index(event) :]
    if event not in PUBLIC_RELEASES:
        return False
    return bundled_os_vif(release) in PUBLIC_RELEASES[PUBLIC_RELEASES.index(event) :]
