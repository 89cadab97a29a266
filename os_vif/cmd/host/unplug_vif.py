# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif unplug``."""

from __future__ import annotations

import argparse

import os_vif
from os_vif.cmd.host.vif_command import VIFCommand


class Unplug(VIFCommand):
    """Disconnect a VIF from the network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        for left in os_vif.unplug(*self.read_arguments(parsed_args)):
            print(left, file=self.app.stdout)
