# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Find circles of imports between modules: ``python -m tools.import_circles``.

The import contract ``acyclic_siblings`` compares packages in the same package, and sees no circle
between a module and the package of the module. ``tools.import_circles`` reads the modules of the
library, the tests and the tools. Imports inside functions and for type checkers count, and so does
``import_module()`` with a string literal. A module of ``os_vif`` may import the package ``os_vif``,
which is the facade.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.layout import ROOT, tracked_files

FACADE = "os_vif"
FOLDERS = {
    "os_vif",
    "vif_plug_linux_bridge",
    "vif_plug_noop",
    "vif_plug_ovs",
    "tests",
    "testbed",
    "tools",
    "benchmarks",
}


def imported_names(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """Yield a module and the name imported from the module, for each import in a syntax tree.

    :param package: the package of the tree, for relative imports. The name may be empty.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            parents = parents[: len(parents) + 1 - node.level] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), ""


def read_imports(root: Path, files: list[Path]) -> dict[str, set[str]]:
    """Return the modules that each module imports, by dotted name.

    :param files: paths of Python files, relative to *root*. Imports of other modules are left out.
    """
    paths = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in files
    }
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        tree = ast.parse((root / path).read_text("utf-8"))
        targets = {
            f"{module}.{member}" if f"{module}.{member}" in paths else module
            for module, member in imported_names(tree, package)
        }
        graph[name] = (targets & paths.keys()) - {name}
        if name.startswith(f"{FACADE}."):
            graph[name].discard(FACADE)
    return graph


def find_circles(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield circles until the rest has no circle.

    Each module of a circle imports the next; the last module is the first.
    """
    remaining = {name: set(targets) for name, targets in graph.items()}
    while True:
        try:
            graphlib.TopologicalSorter(remaining).prepare()
        except graphlib.CycleError as error:
            # graphlib lists each module after a module that it imports.
            circle: list[str] = error.args[1][::-1]
            yield circle
            remaining[circle[0]].discard(circle[1])
        else:
            return


def main() -> int:
    """Print the circles; return 1 for circles, and 0 otherwise."""
    files = [path for path in tracked_files() if path.parts[0] in FOLDERS]
    circles = list(find_circles(read_imports(ROOT, files)))
    for circle in circles:
        print("import circle:", " -> ".join(circle))
    return 1 if circles else 0


if __name__ == "__main__":
    sys.exit(main())
