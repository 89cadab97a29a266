# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif cni-daemon``, which plugs the pods of container runtimes."""

from __future__ import annotations

import argparse
import logging

from cliff import command

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable
from os_vif.host.state.directory import STATE

LOG = logging.getLogger("os-vif")


class CniDaemon(main.Escaping, command.Command):
    """Serve os-vif-cni, the CNI plugin of podman, containerd and kubelets, until SIGTERM."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        path = STATE.file("cni.sock")
        parser.add_argument(
            "--listen",
            default=path,
            metavar="PATH",
            help=f"socket of the daemon; by default {path}. A socket of systemd "
            "(LISTEN_FDS) has precedence. The mode is 600",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Serve, and return the exit code."""
        from os_vif.cni import cni_process

        # Logs of the daemon are for operators; the other commands report a line.
        for name in ("os_vif", "os-vif"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        try:
            cni_process.run(parsed_args.listen)
        except (ValueError, exception.InvalidField) as error:
            LOG.error("cni-daemon: %s", printable(str(error)))  # noqa: TRY400 - for a person
            return exit_codes.EXIT_BAD_INPUT
        except OSError as error:
            LOG.error(  # noqa: TRY400 - for a person
                "cni-daemon: the daemon cannot serve at %s: %s",
                printable(parsed_args.listen),
                printable(error.strerror or str(error)),
            )
            return exit_codes.EXIT_FAILED
        return 0
