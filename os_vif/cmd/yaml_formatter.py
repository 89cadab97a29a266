# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The output format ``yaml`` of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cliff import columns
from cliff.formatters import base

from os_vif.serialization import yaml_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from typing import TextIO


class YAMLFormatter(base.ListFormatter, base.SingleFormatter):
    """Writes a list of mappings, or a mapping.

    The formatter of cliff leaves texts such as ``1e3`` without quotes, which readers of YAML 1.2 take
    for numbers.
    """

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Write the rows."""
        del parsed_args
        stdout.write(yaml_text.compose([_members(column_names, row) for row in data]))

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Write the names and values."""
        del parsed_args
        stdout.write(yaml_text.compose(_members(column_names, data)))


def _members(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {
        name: value.machine_readable() if isinstance(value, columns.FormattableColumn) else value
        for name, value in zip(names, values, strict=True)
    }
