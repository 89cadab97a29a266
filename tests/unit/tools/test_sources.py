# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The check of source text finds strings and look-ups in the wrong module."""

from __future__ import annotations

import ast

import pytest

from tools import sources

TREES = sources.read_sources()


@pytest.mark.parametrize(
    ("path", "code", "fault"),
    [
        ("os_vif/engine/runner.py", "importlib.import_module(name)", "uses import_module"),
        ("os_vif/engine/privsep_module.py", "", "is listed, and does not use import_module"),
        ("vif_plug_ovs/privsep.py", "f.__module__ = 'x'", "uses __module__"),
        ("os_vif/plugins/ovs/plugin.py", "PREFIX = 'qvo'", "'qvo' stands for a constant"),
        ("os_vif/steps/plan.py", "PATH = '/run/os-vif/lock'", "stands for a path"),
        ("os_vif/steps/plan.py", "f'/run/os-vif/{name}'", "stands for a path"),
    ],
)
def test_a_fault_is_found(path, code, fault):
    trees = TREES | {path: ast.parse(code)}
    (found,) = [text for check in sources.CHECKS for text in check(trees)]
    assert found.startswith(f"{path}:")
    assert fault in found


def test_another_function_with_a_module_of_its_own_is_found():
    path = "os_vif/engine/privsep_context.py"
    code = "def other(f):\n    f.__module__ = 'x'\nimportlib.import_module('x')"
    found = list(sources.check_look_ups(TREES | {path: ast.parse(code)}))
    assert found == [f"{path}:1: other() uses __module__"]


def test_the_library_is_read():
    assert {"os_vif/plugin.py", "vif_plug_ovs/constants.py"} <= TREES.keys()
    assert {"qvo", "tbr-"} <= sources.PREFIXES
