# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Follow the documentation as a reader does: ``python -m tools.personas [PERSONA ...]``.

A persona is a reader with a task, and the pages for the task. The program installs os-vif into a
fresh virtual environment with the commands of the quickstart, and then follows each page from top
to bottom: it writes the files, runs the Python code and types the commands of the page, and
compares the output. Commands and output are read from the pages. Each page has a working directory,
a network namespace and a ``/run/os-vif`` of its own; the host does not change.

The program needs root, or a kernel that permits user namespaces, and a package index for pip.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed import snippets

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "doc" / "source"
#: The pages of each persona, in the order of reading.
PERSONAS = {
    "new-user": ("quickstart",),
    "operator": (
        "operators/first_day",
        "operators/monitoring/inventory",
        "operators/coming_from_5_3_0",
    ),
    "kuryr-operator": ("operators/upgrade_kuryr", "operators/convert_cluster"),
    "plugin-author": ("plugin_authors/plugins", "plugin_authors/steps"),
}
#: The directory of the virtual environment in the commands of the quickstart.
PREFIX = "/opt/os-vif"
#: Files of a checkout that are no source.
IGNORED = shutil.ignore_patterns(
    ".git", ".venv", ".tox", "*.egg-info", "build", "dist", "__pycache__", ".*_cache"
)
_NAMESPACES = ("unshare", "--net", "--mount")
_AS_USER = ("unshare", "--user", "--map-root-user", "--net", "--mount")
#: /run/os-vif must be writable without a change of the host.
_ISOLATED = """
[ -d /run/os-vif ] || { mount -t tmpfs tmpfs /run && mkdir /run/os-vif; }
mount -t tmpfs tmpfs /run/os-vif && ip link set dev lo up && exec "$@"
"""


def page(name: str) -> str:
    """Return the text of a page."""
    return (SOURCE / f"{name}.rst").read_text(encoding="utf-8")


def install_commands() -> list[str]:
    """Return the commands of the quickstart that make the environment and install os-vif."""
    return [
        command.line
        for block in snippets.blocks(page("quickstart"), "console")
        for command in snippets.commands(block)
        if PREFIX in command.line and not command.line.startswith("export ")
    ]


def install(prefix: Path, checkout: Path) -> Path:
    """Install os-vif with the commands of the quickstart, and return Python's path.

    :param prefix: directory in place of :data:`PREFIX`.
    :param checkout: the working directory of the commands.
    :raises subprocess.CalledProcessError: if a command fails.
    """
    for line in install_commands():
        print(f"# {line}")
        command = line.replace(PREFIX, str(prefix)).replace(
            "/pip install ", "/pip install --quiet --disable-pip-version-check "
        )
        shell = ["/bin/sh", "-c", command]
        subprocess.run(shell, check=True, cwd=checkout, capture_output=True, text=True)  # noqa: S603
    return prefix / "bin" / "python"


def follow(python: Path, name: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Follow a page in namespaces of its own.

    :param python: the interpreter of the environment with os-vif.
    :param name: name of the page.
    :param directory: an empty working directory.
    """
    namespaces = _NAMESPACES if os.geteuid() == 0 else _AS_USER
    # Pages about commands share the VIF of the page about the command os-vif.
    for block in snippets.blocks(page("operators/command"), "json"):
        if block.caption == "vif.json":
            (directory / block.caption).write_text(block.text, encoding="utf-8")
    reader = (python, "-W", "ignore", "-P", snippets.__file__, SOURCE / f"{name}.rst")
    path = f"{python.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(  # noqa: S603
        [*namespaces, "sh", "-c", _ISOLATED, "sh", *reader],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        # The environment of the reader has no settings of the caller's Python.
        env={"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8"},
    )


def main(arguments: list[str] | None = None) -> int:
    """Follow the pages of the personas; return 1 if a page cannot be followed."""
    parser = argparse.ArgumentParser(description="Follow the documentation in a new environment.")
    parser.add_argument("persona", nargs="*", help=f"{', '.join(PERSONAS)}; default: all")
    personas = parser.parse_args(arguments).persona or list(PERSONAS)
    if unknown := set(personas) - PERSONAS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PERSONAS)}")
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        checkout = Path(name) / "checkout"
        shutil.copytree(ROOT, checkout, ignore=IGNORED)
        try:
            python = install(Path(name) / "environment", checkout)
        except subprocess.CalledProcessError as error:
            print(error.stderr, end="")
            return 1
        for persona in personas:
            for read in PERSONAS[persona]:
                directory = Path(name) / persona / read.replace("/", "-")
                directory.mkdir(parents=True)
                done = follow(python, read, directory)
                print(f"{persona}: {read}: {'failed' if done.returncode else 'followed'}")
                if done.returncode:
                    failed += 1
                    print(done.stderr, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
