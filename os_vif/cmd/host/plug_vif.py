# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plug``."""

from __future__ import annotations

import argparse

import os_vif
from os_vif.cmd.host import report_output
from os_vif.cmd.host.vif_command import VIFCommand


class Plug(VIFCommand):
    """Connect VIFs to their networks. The failure of a VIF affects no further VIF."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        report_output.add_format(parser)
        return parser

    def _run(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.operations import repair_host

        entries = self.read_entries(parsed_args)
        single = len(entries) == 1
        # The record of a plugged VIF keeps the owner.
        with (
            repair_host.by_operator(),
            report_output.reports_printed(parsed_args.format, self.app.stdout, single=single),
        ):
            if single:
                ((_, vif, instance),) = entries
                os_vif.plug(vif, instance)
                return 0
            results = os_vif.plug_many([(vif, instance) for _, vif, instance in entries])
        return self.report_errors(entries, (r.error for r in results), is_change=True)
