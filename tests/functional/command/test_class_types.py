# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif class-types`` writes types for the classes of another project."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.environments import CHECKOUT

EXAMPLE = CHECKOUT / "tests" / "typing" / "own_classes.py"
#: The types in the example are longer than the classes.
BLOCK = "# Generated from the fields by: os-vif class-types"


def class_types(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a directory."""
    command = [sys.executable, "-W", "ignore", "-m", "os_vif", "class-types", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)


def without_types(text: str) -> str:
    """Return the source of a module without the blocks of type checkers."""
    tree = ast.parse(text)
    lines = text.splitlines()
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    for node in sorted(blocks, key=lambda node: node.lineno, reverse=True):
        del lines[node.lineno - 2 : node.end_lineno]
    return "\n".join(lines).replace("from typing import TYPE_CHECKING\n\n", "") + "\n"


@pytest.fixture
def module(tmp_path) -> Path:
    """A module with the classes of the example, without types."""
    path = tmp_path / "my_classes.py"
    path.write_text(without_types(EXAMPLE.read_text("utf-8")), "utf-8")
    assert "TYPE_CHECKING" not in path.read_text("utf-8")
    return path


def test_command_writes_the_types_of_the_example(module):
    """The second run changes nothing."""
    done = class_types(module.parent, module.stem)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"my_classes: wrote the types to {module.name}\n"
    assert module.read_text("utf-8") == EXAMPLE.read_text("utf-8")
    again = class_types(module.parent, module.stem)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_check_changes_nothing_and_fails_for_old_types(module):
    """A changed field makes the check fail, too."""
    before = module.read_text("utf-8")
    done = class_types(module.parent, "--check", module.stem)
    assert done.returncode == 1
    assert done.stdout == "my_classes: the types differ from the fields\n"
    assert module.read_text("utf-8") == before
    class_types(module.parent, module.stem)
    assert class_types(module.parent, "--check", module.stem).returncode == 0
    renamed = module.read_text("utf-8").replace('"hub_name"', '"hub_title"')
    module.write_text(renamed, "utf-8")
    assert class_types(module.parent, "--check", module.stem).returncode == 1
    class_types(module.parent, module.stem)
    assert "\n        hub_title: str\n" in module.read_text("utf-8")


def test_module_without_the_import_of_annotations(module):
    """The blocks have no effect at run time: the module is imported with types, too."""
    plain = module.read_text("utf-8").replace("from __future__ import annotations\n\n", "")
    module.write_text(plain, "utf-8")
    assert class_types(module.parent, module.stem).returncode == 0
    assert module.read_text("utf-8").count(BLOCK) == 2
    assert class_types(module.parent, "--check", module.stem).returncode == 0


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\n", "defines no versioned object with fields"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        (
            (
                "from oslo_versionedobjects import base, fields\n"
                "class Port(base.VersionedObject):\n    fields = dict(a=fields.StringField())\n"
            ),
            'expected fields = {"name": ..., }',
        ),
    ],
)
def test_unusable_module_is_refused_with_the_reason(tmp_path, source, reason):
    """The file stays as it was."""
    path = tmp_path / "unusable_classes.py"
    path.write_text(source, "utf-8")
    done = class_types(tmp_path, path.stem)
    assert done.returncode == 2
    assert reason in done.stderr
    assert path.stem in done.stderr
    assert path.read_text("utf-8") == source
