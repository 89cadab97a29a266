# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command that lists the plugins of this host."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cliff import columns, lister

import os_vif
from os_vif import objects


class Plugins(lister.Lister):
    """List the plugins of this host, and the VIFs and port profiles that they take."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        return ("Plugin", "VIF", "Versions", "Port profiles"), list(_rows(os_vif.host_info()))


class _Lines(columns.FormattableColumn[list[str]]):
    """A line each for people, a list for programs."""

    def human_readable(self) -> str:
        return "\n".join(self._value)


def _rows(info: objects.HostInfo) -> Iterator[tuple[str, str, str, _Lines]]:
    for plugin in info.plugin_info:
        for vif in plugin.vif_info:
            # A third party's describe() may know nothing of port profiles.
            profiles = vif.supported_port_profiles if "supported_port_profiles" in vif else []
            yield (
                plugin.plugin_name,
                vif.vif_object_name,
                _versions(vif),
                _Lines([f"{p.profile_object_name} {_versions(p)}" for p in profiles]),
            )


def _versions(info: objects.HostVIFInfo | objects.HostPortProfileInfo) -> str:
    if info.min_version == info.max_version:
        return info.min_version
    return f"{info.min_version}-{info.max_version}"
