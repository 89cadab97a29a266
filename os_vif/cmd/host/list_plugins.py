# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command that lists the plugins of this host."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cliff import columns

import os_vif
from os_vif import objects
from os_vif.cmd import main


class Plugins(main.Lister):
    """List the plugins of this host, and the VIFs and port profiles that they take."""

    columns = ("Plugin", "VIF", "Versions", "Port profiles", "Problem")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        problems = os_vif.plugin_errors()
        for name, reason in sorted(problems.items()):
            self.app.LOG.warning("plugin %s cannot be used: %s", name, reason)
        broken = [(name, "", "", _Lines([]), reason) for name, reason in problems.items()]
        rows = sorted([*_rows(os_vif.host_info()), *broken], key=lambda row: row[0])
        if problems or parsed_args.columns:
            return self.columns, rows
        return self.columns[:-1], [row[:-1] for row in rows]


class _Lines(columns.FormattableColumn[list[str]]):
    """A line each for people, a list for programs."""

    def human_readable(self) -> str:
        return "\n".join(self._value)


def _rows(info: objects.HostInfo) -> Iterator[tuple[str, str, str, _Lines, str]]:
    for plugin in info.plugin_info:
        for vif in plugin.vif_info:
            # A third party's describe() may know nothing of port profiles.
            profiles = vif.supported_port_profiles if "supported_port_profiles" in vif else []
            yield (
                plugin.plugin_name,
                vif.vif_object_name,
                _versions(vif),
                _Lines([f"{p.profile_object_name} {_versions(p)}" for p in profiles]),
                "",
            )


def _versions(info: objects.HostVIFInfo | objects.HostPortProfileInfo) -> str:
    if info.min_version == info.max_version:
        return info.min_version
    return f"{info.min_version}-{info.max_version}"
