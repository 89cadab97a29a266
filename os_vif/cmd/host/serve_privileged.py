# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif privileged``, the shared privileged daemon."""

from __future__ import annotations

import argparse
import logging

from cliff import command
from oslo_config import cfg

import os_vif
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable
from os_vif.operations.privileged_daemon import default_socket, serve

LOG = logging.getLogger("os-vif")

#: The module of the privileged daemon for pods.
PODS = "os_vif.plugins.pod_privsep"
_OCTAL = 8
_MAX_MODE = 0o777


class Privileged(main.Escaping, command.Command):
    """Serve the privileged steps of all processes of this host, until SIGTERM."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        path = default_socket()
        parser.add_argument(
            "--listen",
            default=path,
            metavar="PATH",
            help=f"socket of the daemon; by default {path}. A socket of systemd "
            "(LISTEN_FDS) has precedence",
        )
        for kind in ("user", "group"):
            parser.add_argument(
                f"--allow-{kind}",
                action="append",
                default=[],
                metavar="NAME",
                help=f"{kind} that may call the daemon, besides root and "
                f"[os_vif_privileged]allowed_{kind}s. Can be repeated",
            )
        parser.add_argument(
            "--pods",
            action="store_true",
            help="also serve plugs of pods, and keep CAP_SYS_ADMIN to enter their namespaces",
        )
        parser.add_argument(
            "--socket-mode",
            type=_read_mode,
            metavar="MODE",
            help="octal file mode of the socket; by default 660 for root or a single allowed group, "
            "else 666. The daemon checks the user of each connection in any case",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Serve, and return the exit code."""
        # Logs of the daemon are for operators; the other commands report a line.
        for name in ("os_vif", "os-vif"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        try:
            serve(
                cfg.CONF.os_vif_privileged,
                [*os_vif.privsep_modules(), *([PODS] if parsed_args.pods else [])],
                parsed_args.listen,
                users=parsed_args.allow_user,
                groups=parsed_args.allow_group,
                mode=parsed_args.socket_mode,
            )
        except ValueError as error:
            LOG.error("privileged: %s", printable(str(error)))  # noqa: TRY400 - for a person
            return exit_codes.EXIT_BAD_INPUT
        except OSError as error:
            reason = error.strerror or str(error)
            LOG.error(  # noqa: TRY400 - for a person
                "privileged: the daemon cannot serve at %s: %s",
                printable(parsed_args.listen),
                printable(reason),
            )
            return exit_codes.EXIT_FAILED
        return 0


def _read_mode(text: str) -> int:
    try:
        mode = int(text, _OCTAL)
    except ValueError:
        mode = -1
    if not 0 <= mode <= _MAX_MODE:
        raise argparse.ArgumentTypeError(f"found {text}; expected an octal mode such as 660")
    return mode
