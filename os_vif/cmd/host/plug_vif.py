# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plug``."""

from __future__ import annotations

import argparse

import os_vif
from os_vif.cmd.host.vif_command import VIFCommand


class Plug(VIFCommand):
    """Connect a VIF to the network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        os_vif.plug(*self.read_arguments(parsed_args))
