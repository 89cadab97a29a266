# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The check of imports finds every circle, also between a module and its own package."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tools import import_circles, layout


def circles(root, sources):
    """Return the circles of modules with these sources, by path."""
    for name, source in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    graph = import_circles.read_imports(root, [Path(name) for name in sources])
    return list(import_circles.find_circles(graph))


@pytest.mark.parametrize(
    "back",
    [
        "def load():\n    from os_vif import objects",
        "def load():\n    import os_vif.objects",
        "def load():\n    from .. import objects",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from os_vif.objects import VIF",
        "import importlib\nimportlib.import_module('os_vif.objects')",
    ],
)
def test_a_circle_of_a_module_and_its_own_package_is_found(tmp_path, back):
    (circle,) = circles(
        tmp_path,
        {
            "os_vif/__init__.py": "from os_vif import objects",
            "os_vif/objects/__init__.py": "from os_vif.objects.vif import VIF",
            "os_vif/objects/vif.py": "from os_vif.objects import history",
            "os_vif/objects/history.py": back,
        },
    )
    package, vif, history = "os_vif.objects", "os_vif.objects.vif", "os_vif.objects.history"
    pairs = [(package, vif), (vif, history), (history, package)]
    assert sorted(itertools.pairwise(circle)) == sorted(pairs)


def test_each_of_two_circles_is_found(tmp_path):
    sources = {f"tests/{a}.py": f"from tests import {b}" for a, b in ("ab", "ba", "cd", "dc")}
    assert len(circles(tmp_path, sources)) == 2


def test_an_import_of_the_facade_is_no_circle(tmp_path):
    sources = {"os_vif/__init__.py": "from os_vif import opts", "os_vif/opts.py": "import os_vif"}
    assert circles(tmp_path, sources) == []


def test_every_folder_of_the_check_has_modules():
    folders = {path.parts[0] for path in layout.tracked_files()}
    assert folders >= import_circles.FOLDERS
