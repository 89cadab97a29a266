# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif class-types``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pathlib
import sys

from os_vif.cmd import main
from os_vif.cmd.exit_codes import EXIT_FAILED
from os_vif.cmd.store.store_command import StoreCommand


class ClassTypes(StoreCommand):
    """Write the types of the fields into modules with versioned objects."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "modules",
            metavar="MODULE",
            nargs="+",
            help="name of a module with versioned objects, such as my_project.objects.vif",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="change no file; fail if the types in a module differ from the fields",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Generate the text of each module before the first file changes."""
        # As with ``python -m``, modules of the current directory can be named.
        sys.path.insert(0, str(pathlib.Path.cwd()))
        generated = {name: _generate(name) for name in parsed_args.modules}
        failed = False
        for name, (path, text) in generated.items():
            if path.read_text("utf-8") == text:
                continue
            failed = True
            if parsed_args.check:
                self.app.stdout.write(f"{name}: the types differ from the fields\n")
                continue
            try:
                path.write_text(text, "utf-8")
            except OSError as error:
                raise main.BadInputError(f"cannot write {path}: {error.strerror}") from error
            self.app.stdout.write(f"{name}: wrote the types to {_shown(path)}\n")
        return EXIT_FAILED if failed and parsed_args.check else 0


def _generate(name: str) -> tuple[pathlib.Path, str]:
    """Return the source file of a module, and the text with types."""
    from os_vif.cmd.author import class_bodies

    try:
        module = importlib.import_module(name)
        path = pathlib.Path(inspect.getfile(module))
    except (ImportError, TypeError, ValueError) as error:
        raise main.BadInputError(f"cannot import the module {name}: {error}") from error
    classes = class_bodies.classes_of(module)
    if not classes:
        raise main.BadInputError(
            f"{name} defines no versioned object with fields; expected a class derived from "
            "os_vif.objects.base.VersionedObject or a VIF class"
        )
    try:
        return path, class_bodies.generate(path, classes)
    except (OSError, ValueError) as error:
        raise main.BadInputError(f"{path}: {error}") from error


def _shown(path: pathlib.Path) -> pathlib.Path:
    """Return the path for a message: relative to the current directory, if the file is in it."""
    here = pathlib.Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
