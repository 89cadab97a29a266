# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plan``."""

from __future__ import annotations

import argparse

import os_vif
from os_vif.cmd.host.vif_command import VIFCommand


class Plan(VIFCommand):
    """Print the commands with the effect of a plug or an unplug. Nothing is changed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--unplug", action="store_true", help="plan an unplug; by default a plug"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        vif, instance = self.read_arguments(parsed_args)
        plan = os_vif.plan(vif, instance, unplug=parsed_args.unplug)
        print(plan if len(plan) else "# nothing to do", file=self.app.stdout)
