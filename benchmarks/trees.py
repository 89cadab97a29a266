# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Compare how long ``os_vif.plug()`` takes with a Linux bridge in two source trees.

    .venv/bin/python -m benchmarks.trees TREE [--rounds 30] [--links 10] [--in-process] [--starts 0]

``TREE`` is a second checkout of os-vif, for example the parent commit in a ``git worktree``. The trees
run in the same Python environment and alternate, so the load of the machine affects them equally.

The benchmark needs root. All devices are in a private network namespace.
"""

from __future__ import annotations

import contextlib
import pathlib
import platform
import statistics
import sys
import tempfile
import time

from benchmarks import codec, linux_bridge, sides
from benchmarks.sides import Side, ratio, show
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace

OTHER, OWN = "other tree", "this tree"
FIRST = "start, and first plug"
_MODULE = "vif_plug_linux_bridge.privsep"


def _start(tree: pathlib.Path, scratch: pathlib.Path, *, in_process: bool) -> Side:
    """Start a process which plugs with the os-vif of a tree."""
    # Do not resolve: Python finds a virtual environment by the path of the executable.
    side = Side(pathlib.Path(sys.executable), scratch, {}, tree)
    if not side.versions["os_vif"].startswith(f"{tree}/"):
        raise SystemExit(f"{side.versions['os_vif']} is not in {tree}")
    if in_process:
        side.ask("privileged_in_process", module=_MODULE)
    side.load(linux_bridge.vif())
    return side


def measure_starts(
    trees: dict[str, pathlib.Path], starts: int, scratch: pathlib.Path
) -> dict[str, list[float]]:
    """Return the seconds from the start of a process to the end of the first plug."""
    times: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(starts):
        for name in list(trees) if number % 2 else reversed(trees):
            begun = time.perf_counter()
            with _start(trees[name], scratch / name, in_process=False) as side:
                side.call("plug")
                times[name].append(time.perf_counter() - begun)
            linux_bridge.clean()
    return times


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=30)
    parser.add_argument("tree", type=pathlib.Path, help="the other checkout")
    parser.add_argument("--links", type=int, default=10, help="other devices (default: 10)")
    parser.add_argument("--in-process", action="store_true", help="without a privileged daemon")
    parser.add_argument("--starts", type=int, default=0, help="starts to measure (default: 0)")
    options = sides.parse_options(parser)
    hide_state_directory()
    trees = {OTHER: options.tree.resolve(), OWN: sides.ROOT}
    time_round = codec.time_replug if options.in_process else linux_bridge.time_cases
    with (
        tempfile.TemporaryDirectory() as directory,
        private_namespace(),
        contextlib.ExitStack() as stack,
    ):
        scratch = pathlib.Path(directory)
        linux_bridge.prepare(options.links, up=False)
        times = {}
        if options.starts:
            linux_bridge.clean()
            times[FIRST] = measure_starts(trees, options.starts, scratch)
        running = {
            name: stack.enter_context(_start(tree, scratch / name, in_process=options.in_process))
            for name, tree in trees.items()
        }
        plugs = {name: linux_bridge.plugs(side) for name, side in running.items()}
        times |= linux_bridge.measure(plugs, options.rounds, time_round)
    print(f"# Linux {platform.release()}, Python {platform.python_version()}")
    print(f"# {options.links} other devices; ms: median (p10-p90) of {options.rounds}")
    print(f"{'case':30}{OTHER:24}{OWN:24}ratio  fastest")
    for case, by_tree in times.items():
        fastest = min(by_tree[OWN]) / min(by_tree[OTHER])
        print(
            f"{case:30}{show(by_tree[OTHER])}{show(by_tree[OWN])}{ratio(by_tree[OWN], by_tree[OTHER]):5.3f}"
            f"  {fastest:5.3f}  mean {statistics.fmean(by_tree[OWN]) / statistics.fmean(by_tree[OTHER]):.3f}"
        )


if __name__ == "__main__":
    main()
