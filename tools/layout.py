# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the sizes of files and folders, and the names of modules: ``python -m tools.layout``.

The check fails for a Python file of more than :data:`MAX_LINES` lines, a folder of the library with
more than :data:`MAX_FILES` modules, and a module name used twice in the package ``os_vif``: a
traceback with ``schema.py`` would then be ambiguous.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 500
MAX_FILES = 20
PACKAGE = "os_vif"


def tracked_files(root: Path = ROOT) -> list[Path]:
    """Return the Python files tracked by git, relative to *root*."""
    command = ["git", "ls-files", "-z", "*.py"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)  # noqa: S603
    return [Path(name) for name in done.stdout.split("\0") if name and (root / name).is_file()]


def faults(files: list[Path], root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each file, folder and module name that breaks a rule."""
    modules = defaultdict(list)
    folders = defaultdict(int)
    for path in files:
        lines = len((root / path).read_bytes().splitlines())
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines, at most {MAX_LINES} expected: split the file"
        if path.parts[0] == PACKAGE and path.name != "__init__.py":
            modules[path.stem].append(path)
            folders[path.parent] += 1
    for folder, count in folders.items():
        if count > MAX_FILES:
            yield f"{folder}: {count} modules, at most {MAX_FILES} expected: split the folder"
    for name, paths in modules.items():
        if len(paths) > 1:
            places = ", ".join(map(str, paths))
            yield f"module name {name!r} is used {len(paths)} times: {places}"


def main() -> int:
    """Print the faults; return 1 if there are any."""
    messages = list(faults(tracked_files()))
    for fault in messages:
        print(fault)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
