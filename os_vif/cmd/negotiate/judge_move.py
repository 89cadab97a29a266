# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif negotiate verdict``."""

from __future__ import annotations

import argparse
from typing import Any

from os_vif.cmd import exit_codes, main
from os_vif.cmd.negotiate import negotiate_command


class JudgeMove(negotiate_command.NegotiateCommand):
    """Tell whether a guest can migrate: the changes of the VIF, and the reasons against."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "here", metavar="HERE", help="JSON or YAML file with the VIF on this host"
        )
        parser.add_argument(
            "there",
            metavar="THERE",
            help="JSON or YAML file with the VIF of the same port on the other host",
        )
        negotiate_command.add_offer_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return names and values of the verdict."""
        from os_vif import negotiation

        if len(parsed_args.offer) != 1:
            raise main.BadInputError("--offer is given several times; expected one offer")
        negotiate_command.require_one_standard_input(
            parsed_args.here, parsed_args.there, *parsed_args.offer
        )
        verdict = negotiation.verdict(
            negotiate_command.read_vif(parsed_args.here),
            negotiate_command.read_vif(parsed_args.there),
            negotiate_command.read_offer(parsed_args.offer[0], parsed_args.release),
        )
        self._exit_code = 0 if verdict.possible else exit_codes.EXIT_DRIFT
        is_plain = parsed_args.formatter in ("json", "yaml")

        def listed(changes: Any) -> list[Any]:
            return [change._asdict() if is_plain else str(change) for change in changes]

        return self.rows(
            parsed_args,
            {
                "possible": verdict.possible,
                "reasons": list(verdict.reasons),
                "changes": listed(verdict.changes),
                "guest_visible": listed(verdict.guest_visible),
                "losses": [str(loss) for loss in verdict.losses],
                "assumption": verdict.assumption,
            },
        )
