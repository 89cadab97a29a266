# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif unplug``."""

from __future__ import annotations

import argparse

import os_vif
from os_vif.cmd.host import report_output
from os_vif.cmd.host.vif_command import VIFCommand


class Unplug(VIFCommand):
    """Disconnect VIFs from networks. The failure of a VIF affects no further VIF."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        report_output.add_format(parser)
        return parser

    def _run(self, parsed_args: argparse.Namespace) -> int:
        entries = self.read_entries(parsed_args)
        single = len(entries) == 1
        # A report contains the sentences about remaining bridges.
        is_silent = parsed_args.format is not None
        with report_output.reports_printed(parsed_args.format, self.app.stdout, single=single):
            if single:
                ((_, vif, instance),) = entries
                remaining = os_vif.unplug(vif, instance)
                for sentence in () if is_silent else remaining:
                    print(sentence, file=self.app.stdout)
                return 0
            results = os_vif.unplug_many([(vif, instance) for _, vif, instance in entries])
        for entry, result in zip(entries, results, strict=True):
            for sentence in () if is_silent else result.remaining:
                print(f"{entry.where}: {sentence}", file=self.app.stdout)
        return self.report_errors(entries, (r.error for r in results), is_change=True)
