# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Commands about stored objects. All that takes time to load is loaded by the one that runs."""

from __future__ import annotations

import argparse
import logging
import signal
from typing import NoReturn

from cliff import command

from os_vif.cmd import exit_codes, main

LOG = logging.getLogger("os-vif")

#: Signals that end the command; its temporary file is removed first.
_STOPPING = (signal.SIGTERM, signal.SIGHUP)


class _Command(main.Escaping, command.Command):
    """A failure is one line and an exit code."""

    #: No plugin is needed to read what is stored.
    needs_plugins = False

    def run(self, parsed_args: argparse.Namespace) -> int:
        from os_vif import exception, objects
        from os_vif.cmd.store import files

        objects.register_all()
        before = {
            number: signal.signal(number, _stop)
            for number in _STOPPING
            # Under nohup(1) the command outlives its terminal.
            if signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            return super().run(parsed_args)
        except (main.BadInputError, exception.SerializationError) as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except files.OutputError as error:
            LOG.error("%s", error)  # noqa: TRY400
            return exit_codes.EXIT_FAILED
        except KeyboardInterrupt:
            LOG.error("interrupted")  # noqa: TRY400
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _stop(number: int, _: object) -> NoReturn:
    """What is half written goes away."""
    raise SystemExit(128 + number)


class _Stored(_Command):
    """A command about stored objects."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "files",
            nargs="*",
            default=["-"],
            metavar="FILE",
            help="VIFs, pods or KuryrPorts as JSON; by default, or as '-', standard input",
        )
        return parser


class Validate(_Stored):
    """Tell all that is wrong with stored objects, with file, line and path of each fault."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import convert

        return 0 if convert.validate(parsed_args.files) else exit_codes.EXIT_PARTIAL


class Convert(_Stored):
    """Write stored objects for another release, or in another form; the rest is kept as it is."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from os_vif import serialization

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--release",
            help="who is to read it: a release of os-vif, such as 1.14.0, or of kuryr, such as "
            "kuryr-6.0.1; by default one as new as this one",
        )
        parser.add_argument(
            "--form",
            choices=serialization.FORMS,
            help="how to write it; by default the newest form that the release reads",
        )
        parser.add_argument(
            "--allow-loss",
            action="store_true",
            help="convert, and tell, what loses something; else it is left as it is",
        )
        parser.add_argument(
            "--kuryrports",
            action="store_true",
            help="of pods, write the KuryrPorts that kuryr 3.0 and later have instead",
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "-o",
            "--output",
            default="-",
            metavar="FILE",
            help="where to write to; by default standard output",
        )
        where.add_argument("--in-place", action="store_true", help="replace each file")
        where.add_argument(
            "--check", action="store_true", help="write nothing, and tell of each object"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import convert

        if parsed_args.in_place and "-" in parsed_args.files:
            raise main.BadInputError("--in-place: standard input has no place")
        if parsed_args.in_place and parsed_args.kuryrports:
            raise main.BadInputError("--kuryrports: a pod is not replaced by its KuryrPort")
        whole = convert.convert(
            parsed_args.files,
            convert.target(parsed_args.form, parsed_args.release),
            None if parsed_args.in_place else parsed_args.output,
            allow_loss=parsed_args.allow_loss,
            check=parsed_args.check,
            kuryrports=parsed_args.kuryrports,
        )
        return 0 if whole else exit_codes.EXIT_PARTIAL


class Show(_Stored):
    """Draw stored objects as a tree, or as a picture."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--svg", metavar="FILE", help="write a picture there; '-' prints it")
        parser.add_argument(
            "--ascii", action="store_true", help="draw with ASCII, whatever the terminal takes"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import show

        if parsed_args.svg:
            whole = show.as_picture(parsed_args.files, parsed_args.svg)
        else:
            whole = show.as_text(parsed_args.files, ascii_only=parsed_args.ascii)
        return 0 if whole else exit_codes.EXIT_PARTIAL


class Schema(_Command):
    """Print the JSON Schema of what is stored."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from os_vif import serialization

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "kind", nargs="?", default="VIF", help="a class, such as VIFBridge; by default any VIF"
        )
        parser.add_argument(
            "--release",
            help="as which release writes it: one of os-vif, such as 1.14.0, or of kuryr, such as "
            "kuryr-6.0.1; by default this one",
        )
        parser.add_argument(
            "--form",
            choices=serialization.FORMS,
            help="in which form; by default the newest that the release writes",
        )
        parser.add_argument(
            "--kubernetes",
            action="store_true",
            help="in the structural form that a custom resource definition takes",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import print_schema

        print_schema.show(
            parsed_args.kind,
            parsed_args.form,
            parsed_args.release,
            kubernetes=parsed_args.kubernetes,
        )
        return 0
