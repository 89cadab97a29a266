# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif doctor``."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

import os_vif
from os_vif import exception
from os_vif.cmd import configuration, exit_codes, main
from os_vif.cmd.colours import Colour, has_colours, paint
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.operations.doctor.finding import Finding

_COLOURS = {"ok": Colour.GREEN, "warning": Colour.YELLOW, "failed": Colour.RED}


class Doctor(main.Lister):
    """Check the installation and the host: daemons, Open vSwitch, kernel, options.

    The exit code is 3 if a check has failed. Warnings do not change the exit code.
    """

    #: The findings list the unknown options.
    reports_unknown_options = True
    columns = ("Check", "Subject", "Status", "Found", "Advice")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--plugin",
            action="append",
            default=[],
            metavar="NAME",
            help="check what a plugin needs; can be repeated; by default all installed plugins",
        )
        parser.add_argument(
            "--check",
            action="append",
            default=[],
            metavar="NAME",
            help="run a check; can be repeated; by default all checks",
        )
        main.add_text_format(parser, "a line for each finding")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.operations.doctor import examination

        known = [check.name for check in examination.CHECKS]
        for name in parsed_args.check:
            if name not in known:
                self.app.LOG.error(
                    "there is no check named %r; expected one of %s", name, ", ".join(known)
                )
                return exit_codes.EXIT_BAD_INPUT
        names = self.app.options.config_file
        unknown = None
        if names:
            unknown = [
                *configuration.list_unknown(cfg.CONF, names),
                *configuration.list_unknown_groups(cfg.CONF, names),
            ]
        try:
            findings = os_vif.diagnose(parsed_args.plugin, parsed_args.check, unknown)
        except exception.NoMatchingPlugin as error:
            self.app.LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        self._findings = findings
        if parsed_args.formatter == "text" and not parsed_args.columns:
            for line in _render(findings, coloured=has_colours(self.app.stdout)):
                print(line, file=self.app.stdout)
            code = 0
        else:
            if parsed_args.formatter == "text":
                parsed_args.formatter = "table"  # the text format has no columns
            code = super().run(parsed_args)
        failed = any(finding.status == "failed" for finding in findings)
        return code or (exit_codes.EXIT_DRIFT if failed else 0)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        return self.columns, [
            (f.check, f.subject, str(f.status), f.found, f.advice) for f in self._findings
        ]


def _render(findings: Sequence[Finding], *, coloured: bool) -> Iterator[str]:
    """Yield a line for each finding, a line for each advice, and the counts."""
    checks = max((len(f.check) for f in findings), default=0)
    subjects = max((len(f.subject) for f in findings), default=0)
    for finding in findings:
        status = f"{finding.status:7}"
        if coloured and finding.status in _COLOURS:
            status = paint(status, _COLOURS[finding.status])
        place = f"{finding.check:{checks}}  {finding.subject:{subjects}}"
        yield f"{status}  {place}  {printable(finding.found)}"
        if finding.advice:
            yield f"{'':7}  -> {finding.advice}"
    counts = collections.Counter(str(finding.status) for finding in findings)
    order = ("ok", "warning", "failed", "skipped")
    listed = ", ".join(f"{counts[status]} {status}" for status in order if counts[status])
    noun = "finding" if len(findings) == 1 else "findings"
    yield f"{len(findings)} {noun}: {listed}" if findings else "no check applies"
