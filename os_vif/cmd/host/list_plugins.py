# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plugins``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cliff import columns

import os_vif
from os_vif import objects
from os_vif.cmd import main


class Plugins(main.Lister):
    """List the plugins of this host, with the supported VIFs and port profiles."""

    columns = ("Plugin", "VIF", "Versions", "Port profiles", "Problem")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Return the columns and rows; the column ``Problem`` only if a plugin is broken."""
        problems = os_vif.plugin_errors()
        for name, reason in sorted(problems.items()):
            self.app.LOG.warning("plugin %s cannot be used: %s", name, reason)
        broken = [(name, "", "", _Lines([]), reason) for name, reason in problems.items()]
        rows = sorted([*_rows(os_vif.host_info()), *broken], key=lambda row: row[0])
        if problems or parsed_args.columns:
            return self.columns, rows
        return self.columns[:-1], [row[:-1] for row in rows]


class _Lines(columns.FormattableColumn[list[str]]):
    """A cell with several lines; a list in the formats for programs."""

    def human_readable(self) -> str:
        """Return the lines as text."""
        return "\n".join(self._value)


def _rows(info: objects.HostInfo) -> Iterator[tuple[str, str, str, _Lines, str]]:
    """Yield a row for each VIF class of each plugin."""
    for plugin in info.plugin_info:
        for vif in plugin.vif_info:
            # The describe() of a third-party plugin may leave the field unset.
            profiles = vif.supported_port_profiles if "supported_port_profiles" in vif else []
            yield (
                plugin.plugin_name,
                vif.vif_object_name,
                _versions(vif),
                _Lines([f"{p.profile_object_name} {_versions(p)}" for p in profiles]),
                "",
            )


def _versions(info: objects.HostVIFInfo | objects.HostPortProfileInfo) -> str:
    """Return the supported versions of a class, such as ``1.0-1.4``."""
    if info.min_version == info.max_version:
        return info.min_version
    return f"{info.min_version}-{info.max_version}"
