# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif negotiate bind``."""

from __future__ import annotations

import argparse
import json
import logging
from typing import Any

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.negotiate import negotiate_command

LOG = logging.getLogger("os-vif")


class BindPort(negotiate_command.NegotiateCommand):
    """Bind a port of neutron to the first host that can plug the port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "port",
            metavar="FILE",
            help="JSON or YAML file with the members port, network, subnets and, optionally, bindings, as "
            "in the API of neutron; '-' for standard input",
        )
        negotiate_command.add_offer_option(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args)
        except NotBoundError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_DRIFT

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return names and values of the bound port."""
        from os_vif import negotiation

        negotiate_command.require_one_standard_input(parsed_args.port, *parsed_args.offer)
        title, data = negotiate_command.read_json(parsed_args.port)
        missing = [name for name in ("port", "network", "subnets") if name not in data]
        if missing:
            raise main.BadInputError(f"{title}: the member {missing[0]} is missing")
        offers = [
            negotiate_command.read_offer(source, parsed_args.release)
            for source in parsed_args.offer
        ]
        try:
            bound = negotiation.bind(
                data["port"],
                data["network"],
                data["subnets"],
                offers,
                bindings=data.get("bindings", ()),
            )
        except exception.NoUsableOffer as error:
            raise NotBoundError(str(error)) from error
        form = "OVO primitive" if "versioned_object.name" in json.loads(bound.text) else "document"
        shown = {
            "host": bound.host,
            "release": bound.release,
            "assumption": bound.assumption,
            "kind": bound.vif.obj_name(),
            "plugin": bound.vif.plugin,
            "losses": [str(loss) for loss in bound.losses],
            "format": f"{form}, {len(bound.text)} bytes",
        }
        if parsed_args.formatter != "table":
            # The text is too wide for a table.
            shown["text"] = bound.text
        return self.rows(parsed_args, shown)


class NotBoundError(Exception):
    """No host can plug the port."""
