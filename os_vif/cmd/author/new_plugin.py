# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif new-plugin``."""

from __future__ import annotations

import argparse
import pathlib
import shlex
import shutil
import sys

from os_vif.cmd import main
from os_vif.cmd.store.store_command import StoreCommand


class NewPlugin(StoreCommand):
    """Write the Python package of a new plugin, with tests."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="NAME",
            help="name of the plugin, as in the field 'plugin' of its VIFs: lower-case letters, digits "
            "and underscores",
        )
        parser.add_argument(
            "--directory",
            metavar="DIR",
            type=pathlib.Path,
            help="directory to create; by default os-vif-NAME",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Write the files; print the next commands."""
        from os_vif.cmd.author import plugin_package
        from os_vif.objects.versioning.releases import CURRENT_RELEASE

        try:
            name = plugin_package.check_name(parsed_args.name)
        except ValueError as error:
            raise main.BadInputError(str(error)) from error
        directory = parsed_args.directory or pathlib.Path(plugin_package.distribution_name(name))
        try:
            files = plugin_package.write_package(name, directory, CURRENT_RELEASE)
        except FileExistsError as error:
            raise main.BadInputError(str(error)) from error
        except OSError as error:
            raise main.BadInputError(
                f"cannot write {directory}: {error.strerror or error}"
            ) from error
        self.app.stdout.write(_next_commands(name, directory, len(files)))
        return 0


def _python() -> str:
    """Return the command for the Python that runs os-vif, where os-vif looks for plugins."""
    found, own = shutil.which("python"), pathlib.Path(sys.executable)
    if found is not None and pathlib.Path(found).parent == own.parent:
        return "python"
    return shlex.quote(str(own))


def _next_commands(name: str, directory: pathlib.Path, count: int) -> str:
    """Return the commands that an author runs next."""
    python = _python()
    return f"""\
Wrote {count} files to {directory}. Next:

  cd {shlex.quote(str(directory))}
  {python} -m pip install -e '.[test]'
  {python} -m pytest

Then change src/os_vif_{name}/plugin.py; README.rst describes each file.
"""
