# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the source of the library for strings and look-ups: ``python -m tools.sources``.

Import contracts (``lint-imports``) cannot state these rules:

* an editor finds each function between ``os_vif.plug()`` and the kernel. Only the listed modules
  look up a function or a module by a string;
* the prefixes of device names are strings of ``os_vif/device_names.py``, and the path of the state
  directory is a string of ``os_vif/host/state/directory.py``. A module with a string of its own
  would ignore a changed prefix or directory.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from os_vif import device_names

ROOT = Path(__file__).parents[1]
#: Folders and files with the functions between ``os_vif.plug()`` and the kernel. The packages
#: ``steps`` and ``objects`` import modules at first use.
CALL_PATH = re.compile(
    r"os_vif/(engine|host|plugins|steps/ip|steps/link|steps/ovs|steps/sriov)/"
    r"|os_vif/(plugin|privsep)\.py$|vif_plug_\w+/privsep\.py$"
)
#: Modules that may use an attribute, by the name of the attribute.
LOOK_UPS = {
    # oslo.privsep finds an entry point by the names of module and function.
    "__module__": {"os_vif/engine/privsep_context.py"},
    # The others import the daemon, or pyroute2, before the first use.
    "import_module": {
        "os_vif/engine/privsep_context.py",
        "os_vif/engine/privsep_module.py",
        "os_vif/host/netlink/pyroute2_import.py",
    },
}
#: The function that may use ``__module__``.
ENTRY_POINT_FUNCTION = "as_entrypoint"
PREFIXES = {
    value
    for name, value in vars(device_names).items()
    if name.isupper() and isinstance(value, str)
}
#: "tap" is a mode of ip(8), too, and "nic" is an English word.
WORDS = {"tap", "nic"}
STATE_DIRECTORY = "/run/os-vif"
Trees = Mapping[str, ast.Module]


def read_sources(root: Path = ROOT) -> dict[str, ast.Module]:
    """Return the syntax trees of the library, by path."""
    return {
        path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8"))
        for package in ("os_vif", "vif_plug_linux_bridge", "vif_plug_noop", "vif_plug_ovs")
        for path in sorted((root / package).rglob("*.py"))
    }


def _uses(tree: ast.AST, attribute: str) -> bool:
    """Return whether code reads or sets an attribute with the name."""
    return any(isinstance(n, ast.Attribute) and n.attr == attribute for n in ast.walk(tree))


def check_look_ups(trees: Trees) -> Iterator[str]:
    """Yield a sentence for each look-up by a string, and for each listed module without any."""
    for attribute, allowed in LOOK_UPS.items():
        found = {
            path
            for path, tree in trees.items()
            if CALL_PATH.match(path) and _uses(tree, attribute)
        }
        for path in sorted(found ^ allowed):
            verb = "uses" if path in found else "is listed, and does not use"
            yield f"{path}: {verb} {attribute}"
        if attribute == "__module__":
            for path in sorted(found & allowed):
                for node in ast.walk(trees[path]):
                    if (
                        isinstance(node, ast.FunctionDef)
                        and node.name != ENTRY_POINT_FUNCTION
                        and _uses(node, attribute)
                    ):
                        yield f"{path}:{node.lineno}: {node.name}() uses {attribute}"


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def check_prefixes(trees: Trees) -> Iterator[str]:
    """Yield a sentence for each string that is a prefix of device names."""
    for path, tree in trees.items():
        if path == "os_vif/device_names.py" or path.startswith("os_vif/cmd/"):
            continue
        for line, text in _strings(tree):
            if text in PREFIXES - WORDS:
                yield f"{path}:{line}: {text!r} stands for a constant of os_vif.device_names"


def check_state_directory(trees: Trees) -> Iterator[str]:
    """Yield a sentence for each string that begins with the path of the state directory."""
    for path, tree in trees.items():
        for line, text in _strings(tree):
            if text.startswith(STATE_DIRECTORY) and path != "os_vif/host/state/directory.py":
                yield f"{path}:{line}: {text!r} stands for a path of os_vif.host.state.directory"


CHECKS = (check_look_ups, check_prefixes, check_state_directory)


def main() -> int:
    """Print the faults; return the exit status."""
    trees = read_sources()
    faults = [fault for check in CHECKS for fault in check(trees)]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
