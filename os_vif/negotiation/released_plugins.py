# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugins of os-vif in a release, for hosts that publish a release and no offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from os_vif.objects import OfferedClass, OfferedPlugin
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE, PUBLIC_RELEASES

_OVS = ("VIFPortProfileOpenVSwitch",)
_REPRESENTOR = ("VIFPortProfileOVSRepresentor", "VIFPortProfileOpenVSwitch")
_SRIOV = ("VIFPortProfileBase", "VIFPortProfileSRIOV")


class _Plugin(NamedTuple):
    """A plugin in the releases of os-vif."""

    #: The first release with the plugin.
    since: str
    #: The port profile classes by VIF class, as ``describe()`` of the plugin returns them.
    vifs: Mapping[str, tuple[str, ...]]
    #: The first public release without the plugin. os-vif 6.0.0 has every plugin again.
    until: str | None = None


_PLUGINS = {
    "linux_bridge": _Plugin("1.0.0", {"VIFBridge": ()}, until="5.0.0"),
    "noop": _Plugin("1.11.0", {"VIFVHostUser": ()}),
    "ovs": _Plugin(
        "1.0.0",
        {
            "VIFBridge": _OVS,
            "VIFHostDevice": _REPRESENTOR,
            "VIFOpenVSwitch": _OVS,
            "VIFVHostUser": _REPRESENTOR,
        },
    ),
    "sriov": _Plugin(CURRENT_RELEASE, {"VIFDirect": _SRIOV, "VIFHostDevice": _SRIOV}),
}
#: All releases of os-vif, oldest first.
RELEASES = (*PUBLIC_RELEASES, CURRENT_RELEASE)


def has_plugin(release: str, name: str) -> bool:
    """Return True if a known release of os-vif has a plugin."""
    plugin = _PLUGINS.get(name)
    if plugin is None or release not in RELEASES:
        return False
    index = RELEASES.index(release)
    if index < RELEASES.index(plugin.since):
        return False
    removed = plugin.until is not None and index >= RELEASES.index(plugin.until)
    return not removed or release == CURRENT_RELEASE


def is_own_plugin(name: str) -> bool:
    """Return True if a plugin is of os-vif, in any release."""
    return name in _PLUGINS


def newest_public_release_with(name: str) -> str | None:
    """Return the newest public release with a plugin, or None."""
    return next((r for r in reversed(PUBLIC_RELEASES) if has_plugin(r, name)), None)


def first_release_with(name: str) -> str | None:
    """Return the first release with a plugin, or None for a plugin of another project."""
    plugin = _PLUGINS.get(name)
    return None if plugin is None else plugin.since


def plugins_of_release(release: str, names: Iterable[str]) -> list[OfferedPlugin]:
    """Return the plugins with the given names in a release, with classes and port profiles.

    :param release: a known release.
    :param names: names of plugins; the release may lack some.
    """
    manifest = history.manifest(release)
    return [
        OfferedPlugin(
            name=name,
            vifs=[
                OfferedClass(name=vif, profiles=[p for p in profiles if p in manifest])
                for vif, profiles in _PLUGINS[name].vifs.items()
                if vif in manifest
            ],
        )
        for name in sorted(set(names))
        if has_plugin(release, name)
    ]
