# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The parser of a command is created without a search for the distribution of the command."""

from __future__ import annotations

from cliff import command

from os_vif.cmd import main


class OtherCommand(main.ShowOne):
    """A command of another distribution."""

    def take_action(self, parsed_args):
        return (), ()


OtherCommand.__module__ = "pytest"


def test_a_command_of_os_vif_searches_no_distribution(monkeypatch, capsys):
    """cliff would read the metadata of all installed distributions, for 0.2 s."""
    searches = []
    monkeypatch.setattr(command, "_dists_by_mods", None)
    monkeypatch.setattr(command, "packages_distributions", lambda: searches.append(1) or {})
    assert main.main(["plugins", "-f", "json"]) == 0
    assert searches == []


def test_a_command_of_another_distribution_names_the_distribution():
    """The sentence is from cliff."""
    epilog = OtherCommand(main.Shell(), None).get_epilog()
    assert epilog.strip() == "This command is provided by the pytest plugin."


def test_a_command_without_a_name_has_a_parser():
    """cliff.sphinxext documents the classes of commands; such a command has no hooks."""

    class Command(main.ShowOne):
        """A command of os-vif."""

        def take_action(self, parsed_args):
            return (), ()

    Command.__module__ = "os_vif.cmd.example"
    assert Command(main.Shell(), None).get_epilog() == ""
    assert Command(None, None).get_epilog() == ""
