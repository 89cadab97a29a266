# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plain data as JSON or YAML: the option ``-f`` of commands without a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os_vif.cmd.store import files

FORMATS = ("json", "yaml")


def add_format_option(
    parser: argparse.ArgumentParser,
    text: str,
    *,
    others: tuple[str, ...] = (),
    default: str | None = None,
) -> None:
    """Add the option ``-f``.

    :param text: the formats and the default, for the help.
    :param others: formats besides JSON and YAML.
    """
    parser.add_argument(
        "-f",
        "--format",
        choices=(*others, *FORMATS),
        default=default,
        help=f"output format: {text}",
    )


def object_writer(out: files.Output, output_format: str) -> Callable[[Any], object]:
    """Return a function that writes plain data: a line of JSON, or a document of YAML."""
    from os_vif.serialization import json_text, yaml_text

    if output_format == "yaml":
        return lambda data: out.write(yaml_text.compose_document(data).encode())
    return lambda data: out.write(f"{json_text.compose(data)}\n".encode())


def compose(data: Any, output_format: str) -> str:
    """Return plain data as indented JSON, or as YAML, without a line feed at the end."""
    if output_format == "yaml":
        from os_vif.serialization import yaml_text

        return yaml_text.compose(data).removesuffix("\n")
    return json.dumps(data, indent=2)
