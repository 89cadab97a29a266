# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The code blocks of a page of reStructuredText, and what a reader does with them.

``python snippets.py PAGE`` follows a page from top to bottom, in the working directory: it writes
the files that have a caption, runs the Python, and types the commands. It ends with an error
where something fails, or prints what the page does not show.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass

#: Programs whose commands are run as they stand.
RUN = ("cat", "echo", "ip", "os-vif", "oslo-config-generator", "sed", "sh", "tail")

#: How a command ends that needs what a reader has, and we have not.
ON_A_CLUSTER = "  # on the cluster; not run here"

_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n"
    r"(?:   :caption: (?P<caption>.+)\n)?"
    r"\n(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)
#: A plan has comments, which begin as the prompt of root does.
_PROMPT = re.compile(r"^[$#] (?!/run/os-vif )", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    caption: str | None = None


@dataclass(frozen=True)
class Command:
    """A line after a prompt, and what the page shows as its output."""

    line: str
    output: str

    @property
    def program(self) -> str:
        return self.line.split()[0]


def blocks(page: str, language: str | None = None) -> list[Block]:
    """The code blocks of a page, or those in one language, in their order."""
    found = [
        Block(
            match["language"], textwrap.dedent(match["text"]).strip("\n") + "\n", match["caption"]
        )
        for match in _BLOCK.finditer(page)
    ]
    return [block for block in found if language in (None, block.language)]


def commands(block: Block) -> list[Command]:
    """The commands of a block of console."""
    before, *typed = _PROMPT.split(block.text)
    if before:
        raise ValueError(f"the block begins without a prompt: {before}")
    pairs = (text.partition("\n") for text in typed)
    return [Command(line, output.strip()) for line, _, output in pairs]


def follow(page: str) -> None:
    """Do what a page says.

    :raises AssertionError: for a command that does not do what the page shows.
    """
    scope: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python":
            exec(block.text, scope)  # noqa: S102 - that is what a reader does with it
        elif block.language == "console":
            _type(block)
        elif block.caption and "/" not in block.caption:
            pathlib.Path(block.caption).write_text(block.text)


def _type(block: Block) -> None:
    typed = [command for command in commands(block) if command.program in RUN]
    status = 0
    for number, command in enumerate(typed):
        done = subprocess.run(
            ["sh", "-c", f"(exit {status}); {command.line}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=os.environ
            | {"PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        status = done.returncode
        assert done.stdout.strip() == command.output, f"{command.line}\n{done.stdout}"
        if [after.line for after in typed[number + 1 : number + 2]] != ["echo $?"]:
            differs = command.line.startswith("os-vif check") and command.output not in ("", "[]")
            assert status == (3 if differs else 0), f"{command.line} ends with {status}"


if __name__ == "__main__":
    follow(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
