# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Output of the reports of ``os-vif plug`` and ``os-vif unplug``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import os_vif
from os_vif.cmd.store import object_output

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
        choices=("text", *object_output.FORMATS),
        help="print a report with the result of each step, as text, JSON or YAML; none by default",
    )


@contextlib.contextmanager
def reports_printed(output_format: str | None, stream: TextIO, *, single: bool) -> Iterator[None]:
    """Print the reports of the operations of the block, also after a failure.

    :param output_format: ``text``, ``json``, ``yaml``, or None for no reports.
    :param single: print an object for a single report, instead of a list.
    """
    if output_format is None:
        yield
        return
    reports: list[Report] = []
    try:
        with os_vif.observe(reports.append):
            yield
    finally:
        if output_format in object_output.FORMATS:
            data = [report.to_dict() for report in reports]
            # Without a report, the plugin could not be called.
            if data or not single:
                shown = data[0] if single else data
                print(object_output.compose(shown, output_format), file=stream)
        else:
            for report in reports:
                print(report, file=stream)
