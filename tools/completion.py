# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Write the completion of the command for bash, zsh and fish: ``python -m tools.completion``.

The parsers of the commands have the options and choices; shtab writes the scripts. The scripts are
data of the package: a shell completes options and choices without starting Python. The names of
VIFs and plugins come from ``os-vif list`` and ``os-vif plugins``. With ``--check``, compare the files
with the parsers instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from tools.command_parsers import ROOT, command_classes, command_parsers, global_parser

FOLDER = ROOT / "os_vif" / "cmd" / "completion"
_HEADER = (
    "# SPDX-FileCopyrightText: The os-vif developers\n# SPDX-License-Identifier: Apache-2.0\n"
)


def _of_command(name: str, command: str) -> Mapping[str, Any]:
    """Return a completion with the words printed by a shell command."""
    function = f"_os_vif_complete_{name}"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({command} 2>/dev/null)",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "$({command} 2>/dev/null)" -- "$1"; }}\n',
            # A $(command) in the arguments of _arguments would run for each option.
            "zsh": f'{function}() {{ compadd -- ${{(f)"$({command} 2>/dev/null)"}} }}\n',
        },
    }


_USERS = {
    "bash": "_os_vif_complete_users",
    "zsh": "_users",
    "fish": "(__fish_complete_users)",
    "preamble": {"bash": '_os_vif_complete_users() { compgen -u -- "$1"; }\n'},
}
_GROUPS = {
    "bash": "_os_vif_complete_groups",
    "zsh": "_groups",
    "fish": "(__fish_complete_groups)",
    "preamble": {"bash": '_os_vif_complete_groups() { compgen -g -- "$1"; }\n'},
}
_PLUGINS = _of_command("plugins", "os-vif plugins -f value -c Plugin | sort -u")
_VIFS = _of_command("vifs", "os-vif list -f value -c ID")


def _completions() -> dict[str, Any]:
    """Return the values of options and arguments by metavar or name: choices, or a completion."""
    import shtab

    from os_vif import objects
    from os_vif.cmd.host import inventory_filter
    from os_vif.objects.versioning import releases
    from os_vif.operations.doctor import examination

    objects.register_all()
    files = dict.fromkeys(
        ("FILE", "PATH", "HERE", "THERE", "log_file", "FILE|ADDRESS"), shtab.FILE
    )
    return {
        **files,
        "DIR": shtab.DIRECTORY,
        "--plugin": _PLUGINS,
        "ID": _VIFS,
        "--allow-user": _USERS,
        "--allow-group": _GROUPS,
        "--check": [check.name for check in examination.CHECKS],
        "--release": [
            *releases.PUBLIC_RELEASES, releases.CURRENT_RELEASE, *releases.KURYR_RELEASES,
        ],
        # A shell splits words at spaces.
        "--state": [state.replace(" ", "-") for state in inventory_filter.STATES],
        "KIND": _kinds(),
        "cmd": [name.partition(" ")[0] for name in command_classes()],
    }  # fmt: skip


def _kinds() -> list[str]:
    """Return the names of the classes with a schema, without the classes of plugins."""
    from os_vif.cmd.store.print_schema import KURYRPORT
    from os_vif.objects.versioning import history

    return sorted({"VIF", KURYRPORT, *history.vocabulary()})


def build_parser() -> argparse.ArgumentParser:
    """Return a parser with the commands as sub-commands, and completions of the values."""
    parser = global_parser()
    commands = parser.add_subparsers(metavar="COMMAND")
    groups: dict[str, Any] = {}
    classes = command_classes()
    for name, own in command_parsers().items():
        group, _, last = name.rpartition(" ")
        if group and group not in groups:
            groups[group] = commands.add_parser(group, help=group).add_subparsers()
        (groups[group] if group else commands).add_parser(
            last,
            help=_first_sentence(classes[name]),
            parents=[own],
            add_help=False,
            conflict_handler="resolve",
        )
        _add_completions(own)
    _add_completions(parser)
    return parser


def _first_sentence(command: type[Any]) -> str:
    from os_vif.cmd import help_text

    return help_text.first_sentence(command)


def _add_completions(parser: argparse.ArgumentParser) -> None:
    known = _completions()
    for action in parser._actions:
        names = [*action.option_strings, str(action.metavar or action.dest)]
        values = next((known[name] for name in names if name in known), None)
        if isinstance(values, list):
            action.choices = values
        elif values is not None:
            action.complete = values  # type: ignore[attr-defined]


def scripts() -> dict[str, str]:
    """Return the text of each script, by path below the folder."""
    import shtab

    from os_vif.cmd.print_completion import FILES

    parser = build_parser()
    return {path: _script(shtab.complete(parser, shell)) for shell, path in FILES.items()}


def _script(text: str) -> str:
    """Return a script with the notice of the licence; the first line of zsh stays the first."""
    first, _, rest = text.partition("\n")
    if first.startswith("#compdef"):
        return f"{first}\n{_HEADER}{rest}"
    return f"{_HEADER}{text}"


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` list different files; return the exit code."""
    differing = []
    for name, text in scripts().items():
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        differing.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    if "--check" in arguments:
        for name in differing:
            print(f"{FOLDER / name}: run python -m tools.completion")
    return 1 if differing and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
