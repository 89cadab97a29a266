# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A reader of each kind follows the documentation in a new environment, installed by pip."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.environments import CHECKOUT
from tools import personas

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install os-vif with the commands of the quickstart."""
    folder = tmp_path_factory.mktemp("personas")
    checkout = folder / "checkout"
    shutil.copytree(CHECKOUT, checkout, ignore=personas.IGNORED)
    try:
        return personas.install(folder / "environment", checkout)
    except subprocess.CalledProcessError as error:
        if "(from versions: none)" in error.stderr:
            pytest.skip("the package index is out of reach")
        raise AssertionError(error.stderr) from error


@pytest.mark.parametrize(
    ("persona", "name"),
    [(persona, name) for persona, pages in personas.PERSONAS.items() for name in pages],
)
def test_a_reader_can_follow_the_page(python: Path, tmp_path: Path, persona: str, name: str):
    """No command of the page fails, and each prints the text on the page."""
    done = personas.follow(python, name, tmp_path)
    assert done.returncode == 0, f"{persona}: {name}\n{done.stderr[-3000:]}"
