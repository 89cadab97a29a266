# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Write the manual pages of the command in section 1: ``python -m tools.manual``.

The parsers of the commands have the options; ``os_vif.cmd.examples`` has the examples. The pages use
the macros of man(7). With ``--check``, compare the files with the parsers instead.
"""

from __future__ import annotations

import argparse
import configparser
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tools.command_parsers import ROOT, command_classes, command_parsers, global_parser

FOLDER = ROOT / "etc" / "man"
#: The date of the pages, which is that of their last change.
_DATE = "2026-11-30"
_SUMMARY = "plug virtual network interfaces into a host"
_DESCRIPTION = (
    "os-vif plugs virtual network interfaces (VIFs) of virtual machines, containers and pods into a "
    "host: into Linux bridges, Open vSwitch, and the virtual functions of SR-IOV network cards. The "
    "command also validates and converts stored VIFs."
)
_GLOBAL_OPTIONS = (
    "Options for every command, such as \\fB\\-\\-config\\-file\\fR, precede the name of the command: "
    "see \\fBos\\-vif\\fR(1)."
)
#: Title and text of each exit code.
_EXIT_CODES = (
    ("0", "Success; no differences."),
    ("1", "Failure. The message says what remains."),
    ("2", "Invalid arguments or input. Nothing was changed."),
    ("3", ("check: the host differs from a plugged VIF. compare: an object differs. doctor: a check "
          "has failed. gc --dry-run: a VIF would be unplugged. negotiate: no host can plug the port, "
          "or the guest cannot migrate.")),
    ("4", ("validate, convert, show, survey, compare: some objects are invalid, or would lose data. "
          "The others are done.")),
    ("141", "The reader of the output closed the pipe."),
)  # fmt: skip
_ENVIRONMENT = (
    ("OS_VIF_CONFIG", "Configuration files for commands without --config-file, separated by colons."),
    ("NO_COLOR", "If not empty, print no colours. Output to a pipe or a file has no colours."),
    ("TERM", "The value dumb turns colours off."),
    ("OS_<GROUP>__<OPTION>", ("An option of a group, such as OS_OS_VIF_OVS__OVSDB_CONNECTION. The "
                             "variable has precedence over configuration files.")),
)  # fmt: skip
_FILES = (
    ("/etc/os-vif/os-vif.conf", ("Options of the systemd units of os-vif. Without --config-file and "
                                "OS_VIF_CONFIG, the command reads no file.")),
    ("/run/os-vif", "Locks, and records of VIFs and bridges. Only root can write."),
)  # fmt: skip


def escape(text: str) -> str:
    r"""Return a text for roff: backslashes and hyphens, and a control character at the start."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _tagged(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a list of terms and texts; terms are roff."""
    for term, text in items:
        yield from (".TP", term, escape(text) or "\\&")


def _bold(words: str) -> str:
    return f"\\fB{escape(words)}\\fR"


def _metavar(action: argparse.Action) -> str:
    if action.metavar is not None:
        return str(action.metavar)
    return f"{{{','.join(action.choices)}}}" if action.choices else action.dest.upper()


def _term(action: argparse.Action) -> str:
    """Return the term of an option, such as ``-f FORMAT, --format FORMAT``, or of an argument."""
    value = f" \\fI{escape(_metavar(action))}\\fR" if action.nargs != 0 else ""
    if not action.option_strings:
        return value.strip()
    return ", ".join(f"{_bold(option)}{value}" for option in action.option_strings)


def _long_form(action: argparse.Action) -> str:
    """Return the last form of an option, with the value."""
    value = f" \\fI{escape(_metavar(action))}\\fR" if action.nargs != 0 else ""
    return f"{_bold(action.option_strings[-1])}{value}"


def _synopsis(parser: argparse.ArgumentParser, name: str) -> str:
    """Return the synopsis: the options in brackets, if not required, and the arguments."""
    words = [_bold(name)]
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        if action.option_strings:
            if action.required:
                words.append(_long_form(action))
            continue
        value = f"\\fI{escape(_metavar(action))}\\fR"
        words.append({"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value))
    words += [
        f"{{{' | '.join(map(_long_form, group._group_actions))}}}"
        for group in parser._mutually_exclusive_groups
        if group.required
    ]
    return " ".join([words[0], "[\\fIOPTION\\fR]...", *words[1:]])


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the sections of arguments and options; the groups of cliff are sub-sections."""
    # Python 3.9 had the title "optional arguments".
    titles = {"positional arguments": ".SH ARGUMENTS", "options": ".SH OPTIONS"}
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help != argparse.SUPPRESS]
        if not actions:
            continue
        title = str(group.title)
        yield titles.get(title, f'.SS "{escape(title[:1].upper() + title[1:])}"')
        yield from _tagged((_term(action), _help(parser, action)) for action in actions)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _page(name: str, summary: str, sections: Iterable[str]) -> str:
    """Return a page with the head of man(7)."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    version = setup["metadata"]["version"]
    return "\n".join([
        '.\\" SPDX-FileCopyrightText: The os-vif developers',
        '.\\" SPDX-License-Identifier: Apache-2.0',
        '.\\" Written by python -m tools.manual.',
        f'.TH {name.upper().replace(" ", "-")} 1 "{_DATE}" "os-vif {version}" "User Commands"',
        ".SH NAME",
        f"{escape(name.replace(' ', '-'))} \\- {summary}",
        *sections,
        "",
    ])  # fmt: skip


def _examples(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    for number, (title, command) in enumerate(found):
        yield ".PP" if number else ".SH EXAMPLES"
        yield f"{escape(title)}:"
        yield from (".PP", ".RS 4", ".nf")
        yield from (line.replace("\\", "\\e").replace("-", "\\-") for line in command.splitlines())
        yield from (".fi", ".RE")


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    yield from _tagged((f"\\fB{code}\\fR", text) for code, text in _EXIT_CODES)


def _see_also(names: Iterable[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fB{escape(name.replace(' ', '-'))}\\fR(1)" for name in names)


def _main_page(classes: dict[str, type[Any]]) -> str:
    from os_vif.cmd import help_text

    commands = (
        (f"{_bold(name)}", f"{help_text.first_sentence(classes[name])}.") for name in classes
    )
    return _page(
        "os-vif",
        _SUMMARY,
        [
            ".SH SYNOPSIS",
            "\\fBos\\-vif\\fR [\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...",
            ".SH DESCRIPTION",
            escape(_DESCRIPTION),
            *_options(global_parser()),
            ".SH COMMANDS",
            *_tagged(commands),
            *_exit_status(),
            ".SH ENVIRONMENT",
            *_tagged((_bold(name), text) for name, text in _ENVIRONMENT),
            ".SH FILES",
            *_tagged((f"\\fI{escape(name)}\\fR", text) for name, text in _FILES),
            *_see_also(f"os-vif {name}" for name in classes),
        ],
    )


def pages() -> dict[str, str]:
    """Return the text of each page, by file name."""
    from os_vif.cmd import examples, help_text

    classes = command_classes()
    found = {"os-vif.1": _main_page(classes)}
    for name, parser in command_parsers().items():
        description = " ".join(str(parser.description).split())
        sentence = help_text.first_sentence(classes[name])
        summary = escape(sentence[:1].lower() + sentence[1:])
        full = f"os-vif {name}"
        found[f"{full.replace(' ', '-')}.1"] = _page(
            full,
            summary,
            [
                ".SH SYNOPSIS",
                _synopsis(parser, full),
                ".SH DESCRIPTION",
                escape(description),
                ".PP",
                _GLOBAL_OPTIONS,
                *_options(parser),
                *_examples(examples.EXAMPLES.get(name, ())),
                *_exit_status(),
                *_see_also(["os-vif"]),
            ],
        )
    return found


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` list those that differ; return the exit code."""
    wanted = pages()
    present = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.1")}
    differing = sorted(
        name for name in {*wanted, *present} if wanted.get(name) != present.get(name)
    )
    if "--check" in arguments:
        for name in differing:
            print(f"{FOLDER / name}: run python -m tools.manual")
        return 1 if differing else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in differing:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], "utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
