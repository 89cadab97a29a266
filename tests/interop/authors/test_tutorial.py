# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An author follows the tutorial word by word in a new environment, installed as in the quickstart.

mypy and ruff, which the tutorial installs, also check the two example plugins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import environments, snippets
from testbed.environments import CHECKOUT
from tools import personas

pytestmark = pytest.mark.interop

PAGE = "plugin_authors/tutorial"
#: The directory of the state of os-vif is a new one, and the devices are in a new namespace.
ISOLATED = ("unshare", "--net", "--mount", "sh", "-euc", "mount -t tmpfs none /run\n{}")


@dataclass(frozen=True)
class Author:
    """An author with an environment and a working directory."""

    folder: Path

    def type(self, *command: str, directory: str = ".") -> subprocess.CompletedProcess[str]:
        """Run a command with the environment first on the path."""
        clean = environments.without_python_settings(os.environ)
        path = f"{self.folder}/environment/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        return subprocess.run(
            command,
            cwd=self.folder / "work" / directory,
            env=clean | {"PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )


def blocks(is_wanted: Callable[[snippets.Block], bool]) -> list[str]:
    """Return the commands of the console blocks of the tutorial that are wanted."""
    return [
        command.line
        for block in snippets.blocks(personas.page(PAGE), "console")
        if is_wanted(block)
        for command in snippets.commands(block)
    ]


def is_for_root(block: snippets.Block) -> bool:
    return block.text.startswith("# ")


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    """Install os-vif with the commands of the quickstart."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copytree(CHECKOUT, folder / "checkout", ignore=personas.IGNORED)
    (folder / "work").mkdir()
    try:
        personas.install(folder / "environment", folder / "checkout")
    except subprocess.CalledProcessError as error:
        if "(from versions: none)" in error.stderr:
            pytest.skip("the package index is out of reach")
        raise AssertionError(error.stderr) from error
    return Author(folder)


@pytest.fixture(scope="module")
def followed(author: Author) -> str:
    """Type the commands of an ordinary user; return the output."""
    lines = blocks(lambda block: not is_for_root(block))
    done = author.type("sh", "-euc", "\n".join(lines))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_tutorial_print_what_the_page_says(followed: str) -> None:
    (first, *_) = snippets.blocks(personas.page(PAGE), "console")
    assert snippets.commands(first)[0].output in followed
    for line in ("5 passed", "Success: no issues found in", "All checks passed!"):
        assert line in followed
    assert "warning" not in followed


def test_the_plugin_of_the_tutorial_plugs_a_vif(author: Author, followed: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: the command plugs a VIF")
    *command, script = ISOLATED
    lines = blocks(is_for_root)
    assert [line.split()[:2] for line in lines] == [
        ["os-vif", action] for action in ("plan", "plug", "check", "unplug")
    ]
    done = author.type(
        *command, script.format("\n".join(lines)), directory="os-vif-example"
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SetQueueLength tap11111111-22" in done.stdout


@pytest.mark.parametrize("name", ["vrf", "vxlan"])
def test_ruff_and_mypy_accept_the_example_plugins(
    author: Author, followed: str, name: str
) -> None:
    shutil.copytree(
        CHECKOUT / "tests/plugins" / name, author.folder / "work" / name, ignore=personas.IGNORED
    )
    checks = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
    for module, *arguments in checks:
        done = author.type("python", "-m", module, *arguments, directory=name)
        assert done.returncode == 0, done.stdout + done.stderr
    # mypy reports the number of files, which is not empty.
    assert done.stdout.startswith("Success: no issues found in ")
