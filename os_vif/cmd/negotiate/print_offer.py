# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif negotiate offer``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from os_vif.cmd.negotiate import negotiate_command

if TYPE_CHECKING:
    from os_vif.objects import HostOffer


class PrintOffer(negotiate_command.NegotiateCommand):
    """Print the offer of the host, or of a file: plugins, classes of VIFs, and facts of the host."""

    needs_plugins = True
    _canonical = b""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            nargs="?",
            metavar="FILE",
            help="JSON or YAML file with a HostInfo, an agent of neutron, a row of Chassis or an offer; "
            "'-' for standard input; by default, the offer is of this host",
        )
        parser.add_argument(
            "--host", help="name of the host, as in binding:host_id; by default the host name"
        )
        parser.add_argument(
            "--guest-memory",
            choices=("shared", "private"),
            help="memory of the guest; by default the offer holds for every guest",
        )
        parser.add_argument(
            "--guest-model",
            action="append",
            metavar="MODEL",
            help="device model that the guest permits, such as virtio; can be repeated",
        )
        negotiate_command.add_release_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return names and values."""
        offer = _offer(parsed_args)
        self._canonical = offer.canonical()
        data: dict[str, Any] = json.loads(self._canonical)
        if parsed_args.formatter == "yaml":
            return tuple(data), tuple(data.values())
        plugins = [
            f"{plugin['name']}: {vif['name']} ({', '.join(vif['profiles']) or 'no profile'})"
            for plugin in data.get("plugins", ())
            for vif in plugin.get("vifs", ())
        ]
        shown = {
            name: data.get(name)
            for name in ("host", "release", "assumption", "offloads", "datapath_types")
        }
        shown |= {
            name: data.get(name)
            for name in ("interface_types", "physical_networks", "hybrid_plug")
        }
        guest = [f"{name}: {value}" for name, value in data.get("guest", {}).items()]
        versions = [f"{entry['name']} {entry['version']}" for entry in data.get("versions", ())]
        return self.rows(
            parsed_args,
            {
                **shown,
                "plugins": plugins,
                "versions": versions,
                "guest": guest,
                "bytes": len(self._canonical),
                "fingerprint": offer.fingerprint,
            },
        )

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Print the canonical document in JSON."""
        if parsed_args.formatter != "json":
            return int(super().produce_output(parsed_args, column_names, data))
        self.app.stdout.write(f"{self._canonical.decode('ascii')}\n")
        return 0


def _offer(parsed_args: argparse.Namespace) -> HostOffer:
    """Return the offer of the file, or of the host."""
    import os_vif
    from os_vif import negotiation

    guest = None
    if parsed_args.guest_memory or parsed_args.guest_model:
        guest = negotiation.Guest()
        if parsed_args.guest_memory:
            guest.memory = parsed_args.guest_memory
        if parsed_args.guest_model:
            guest.models = parsed_args.guest_model
    if parsed_args.file is None:
        offer = os_vif.offer(parsed_args.host, guest)
        if parsed_args.release is None:
            return offer
        return negotiation.of_document(offer.canonical(), parsed_args.release)
    offer = negotiate_command.read_offer(parsed_args.file, parsed_args.release)
    if parsed_args.host:
        offer.host = parsed_args.host
    if guest is not None:
        offer.guest = guest
    return offer
