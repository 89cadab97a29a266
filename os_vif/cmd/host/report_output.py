# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Output of the reports of ``os-vif plug`` and ``os-vif unplug``."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import os_vif

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

    from os_vif.operations.report import Report


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option for the format of reports."""
    parser.add_argument(
        "-f",
        "--format",
        choices=("text", "json"),
        help="print a report with the result of each step, as text or JSON; none by default",
    )


@contextlib.contextmanager
def reports_printed(output_format: str | None, stream: TextIO, *, single: bool) -> Iterator[None]:
    """Print the reports of the operations of the block, also after a failure.

    :param output_format: ``text``, ``json``, or None for no reports.
    :param single: print a JSON object for a single report, instead of a list.
    """
    if output_format is None:
        yield
        return
    reports: list[Report] = []
    try:
        with os_vif.observe(reports.append):
            yield
    finally:
        if output_format == "json":
            data = [report.to_dict() for report in reports]
            # Without a report, the plugin could not be called.
            if data or not single:
                print(json.dumps(data[0] if single else data, indent=2), file=stream)
        else:
            for report in reports:
                print(report, file=stream)
