# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An editor finds each function on the way from os_vif.plug() to the kernel: strings are the exception."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The modules on the way, without the imports at first use of the packages ``steps`` and ``objects``.
FOLDERS = ("engine", "host", "plugins", "steps/ip", "steps/link", "steps/ovs", "steps/sriov")


def trees() -> dict[str, ast.Module]:
    paths = [path for folder in FOLDERS for path in (ROOT / "os_vif" / folder).rglob("*.py")]
    paths += [ROOT / "os_vif" / "plugin.py", ROOT / "os_vif" / "privsep.py"]
    paths += [*ROOT.glob("vif_plug_*/privsep.py")]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}


def using(name: str) -> list[str]:
    """Return the modules that read or set an attribute of a name."""
    return sorted(
        module
        for module, tree in trees().items()
        if any(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(tree))
    )


def test_functions_get_another_module_in_one_place():
    """oslo.privsep finds an entry point by its module and name."""
    assert using("__module__") == ["os_vif/engine/privsep_context.py"]
    (function,) = (
        node
        for node in ast.walk(trees()["os_vif/engine/privsep_context.py"])
        if isinstance(node, ast.FunctionDef)
        and any(
            isinstance(part, ast.Attribute) and part.attr == "__module__"
            for part in ast.walk(node)
        )
    )
    assert function.name == "as_entrypoint"


def test_privileged_functions_are_looked_up_by_a_string_in_one_place():
    """In ``privsep_module``. The others import the daemon, or pyroute2, ahead of the first use."""
    assert using("import_module") == [
        "os_vif/engine/privsep_context.py",
        "os_vif/engine/privsep_module.py",
        "os_vif/host/netlink/pyroute2_import.py",
    ]


def test_the_runner_knows_neither_the_kernel_nor_open_vswitch():
    """Order, grouping and rollback: executors do the rest."""
    imported = {
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in ast.walk(trees()["os_vif/engine/runner.py"])
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in imported if name.startswith(("os_vif.host", "os_vif.steps.ovs"))]
