# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The code blocks of a page of reStructuredText, and a program to run the blocks.

``python snippets.py PAGE`` follows a page from top to bottom in the working directory: the program
writes the files with a caption, runs the Python code, and types the commands. The program fails if
a command fails, or prints a text that the page does not show. With ``--inside``, ``os-vif`` is
called in this process, with a single privileged daemon, or forked (``quick_command``), instead of
started for each command.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass

#: Programs whose commands are run unchanged.
RUN = (
    "cat", "echo", "ip", "os-vif", "oslo-config-generator", "ovs-vsctl", "sed", "sh", "sysctl", "tail",
)  # fmt: skip

#: End of a command for a cluster of the reader.
ON_A_CLUSTER = "  # on the cluster; not run here"

_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n"
    r"(?:   :caption: (?P<caption>.+)\n)?"
    r"\n(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)
#: A comment in a plan begins like the prompt of root.
_PROMPT = re.compile(r"^[$#] (?!/run/os-vif )", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    caption: str | None = None


@dataclass(frozen=True)
class Command:
    """A line after a prompt, with the output on the page."""

    line: str
    output: str

    @property
    def program(self) -> str:
        return self.line.split()[0]


def blocks(page: str, language: str | None = None) -> list[Block]:
    """Return the code blocks of a page in order, possibly of a single language."""
    found = [
        Block(
            match["language"], textwrap.dedent(match["text"]).strip("\n") + "\n", match["caption"]
        )
        for match in _BLOCK.finditer(page)
    ]
    return [block for block in found if language in (None, block.language)]


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block."""
    before, *entered = _PROMPT.split(block.text)
    if before:
        raise ValueError(f"the block begins without a prompt: {before}")
    pairs = (text.partition("\n") for text in entered)
    return [Command(line, output.strip()) for line, _, output in pairs]


def follow(page: str, *, inside: pathlib.Path | None = None) -> None:
    """Follow the instructions of a page.

    :param inside: the folder of the forking ``os-vif``, if commands may be called in this process.
    :raises AssertionError: a command does not print the output on the page.
    """
    scope: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python":
            exec(block.text, scope)  # noqa: S102 - that is what a reader does with it
        elif block.language == "console":
            _type(block, inside=inside)
        elif block.caption and "/" not in block.caption:
            pathlib.Path(block.caption).write_text(block.text)


def _type(block: Block, *, inside: pathlib.Path | None) -> None:
    entered = [command for command in commands(block) if command.program in RUN]
    status = 0
    for number, command in enumerate(entered):
        if inside and _may_be_called(command):
            status, output = _called(shlex.split(command.line)[1:])
        else:
            status, output = _started(
                command.line, status, inside or pathlib.Path(sys.executable).parent
            )
        assert output.strip() == command.output, f"{command.line}\n{output}"
        if [after.line for after in entered[number + 1 : number + 2]] != ["echo $?"]:
            faults = [
                line for line in command.output.splitlines() if not line.endswith("hypervisor)")
            ]
            differs = "os-vif check" in _plain(command.line) and faults not in ([], ["[]"])
            assert status == (3 if differs else 0), f"{command.line} ends with {status}"


def _may_be_called(command: Command) -> bool:
    """Return False for commands on stored objects, which write to descriptors of this process.

    And for the audit log, which ``os_vif.initialize()`` turns on once in a process.
    """
    words = shlex.split(command.line)
    return (
        command.program == "os-vif"
        and "audit.conf" not in words
        and not {"|", "<", ">", "&", ";"} & set(command.line)
        and {"plan", "plug", "unplug", "check", "list", "describe", "repair"} & set(words) != set()
    )


def _plain(line: str) -> str:
    """Return a command line without the options of os-vif itself."""
    return re.sub(r" --config-file \S+", "", line)


def _started(line: str, before: int, programs: pathlib.Path) -> tuple[int, str]:
    """Run a line in a shell; return the exit status and the output.

    :param before: the exit status of the previous command.
    :param programs: the folder of ``os-vif``.
    """
    path = f"{programs}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", f"(exit {before}); {line}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"PATH": path},
    )
    return done.returncode, done.stdout


def _called(arguments: list[str]) -> tuple[int, str]:
    from os_vif.cmd import main

    # The exit status of the previous command.
    logging.getLogger().handlers.clear()
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = main.main(arguments)
    return status, output.getvalue()


if __name__ == "__main__":
    # A reader's Python does not find the folder testbed.
    sys.path.append(str(pathlib.Path(__file__).parents[1]))
    from testbed.quick_command import forking_command

    sys.path.pop()
    *options, path = sys.argv[1:]
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if options == ["--inside"]:
        with (
            tempfile.TemporaryDirectory() as directory,
            forking_command(pathlib.Path(directory)) as programs,
        ):
            follow(text, inside=programs)
    else:
        follow(text)
