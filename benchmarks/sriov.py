# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of the search for the representor of a virtual function, compared with os-vif 5.3.0.

    .venv/bin/python -m benchmarks.sriov [--rounds 30] [--vfs 64] [--others 500] [--cache DIR]

Starts a virtual machine with a PCI card (testbed/vm). The card has 7 virtual functions, which are
searched in turn. The module labrep creates as many representors as a card with 64 virtual
functions has; the remaining devices are dummies. The driver has devlink ports in the first run, and
none in the second. Each side is a process; the sides alternate, and the results are compared.
The machine is emulated: only the ratio is meaningful.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.sides import OURS, PUBLIC_ONE, ROOT, ratio, show
from os_vif.testing.private_namespaces import run
from testbed import environments
from testbed.vm import cards

RELEASE = "5.3.0"
WORKER = ROOT / "benchmarks" / "sriov_worker.py"
#: Required speed, as a ratio to the public release.
TARGET = 5


class Finder(contextlib.AbstractContextManager["Finder"]):
    """A process that searches representors with the os_vif of a Python environment."""

    def __init__(self, side: str, python: str, path: str) -> None:
        self._process = subprocess.Popen(
            [python, "-P", "-W", "ignore", WORKER, side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env=environments.without_python_settings(os.environ) | {"PYTHONPATH": path},
        )

    def find(self, address: str) -> tuple[str, float]:
        """Return the representor of the function at a PCI address, and the seconds."""
        self._process.stdin.write(f"{address}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[0]} failed")
        name, seconds = json.loads(line)
        return name, seconds

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def representors(card: cards.Card, number: int, options: str) -> Iterator[None]:
    run(f"modprobe labrep pf={card.name} vfs={number} {options}")
    try:
        yield
    finally:
        run("rmmod labrep")


def measure(rounds: int, vfs: int, others: int, python: str, path: str) -> None:
    """Measure in the virtual machine."""
    card = cards.igb()
    card.set_vfs(int((card.device / "sriov_totalvfs").read_text()))
    addresses = sorted(link.resolve().name for link in card.device.glob("virtfn*"))
    batch = "\n".join(f"link add dummy-{number} type dummy" for number in range(others))
    command = ("ip", "-batch", "-")
    subprocess.run(command, input=batch, text=True, check=True)
    print(f"# {vfs} representors, {others} other devices; median of {rounds} (80 %), ms")
    for what, options in (("devlink", "devlink=1"), ("names only", "")):
        with (
            representors(card, vfs, options),
            Finder(PUBLIC_ONE, python, path) as public,
            Finder(OURS, sys.executable, str(ROOT)) as ours,
        ):
            finders = {PUBLIC_ONE: public, OURS: ours}
            times: dict[str, list[float]] = {name: [] for name in finders}
            # Discard the first search of each side, which imports modules.
            for turn in range(rounds + 1):
                address = addresses[turn % len(addresses)]
                found = {}
                for name in sorted(finders, reverse=bool(turn % 2)):
                    found[name], seconds = finders[name].find(address)
                    if turn:
                        times[name].append(seconds)
                if len(set(found.values())) != 1:
                    raise SystemExit(f"{address}: {found}")
        print(
            f"{what:<12}{PUBLIC_ONE} {show(times[PUBLIC_ONE])}{OURS} {show(times[OURS])}"
            f"{ratio(times[PUBLIC_ONE], times[OURS]):.1f}x (target {TARGET}x)"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="at least 2 (default: %(default)s)")
    parser.add_argument("--vfs", type=int, default=64)
    parser.add_argument("--others", type=int, default=500)
    parser.add_argument("--cache", metavar="DIR", help="where the machine and 5.3.0 are kept")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.rounds, options.vfs, options.others, *options.inside)
        return 0
    if options.cache:
        os.environ["OS_VIF_TEST_CACHE"] = str(pathlib.Path(options.cache).absolute())
    with tempfile.TemporaryDirectory(prefix="os-vif-benchmark-") as scratch:
        try:
            public = environments.Subject.from_public_release(pathlib.Path(scratch, "public"))
            requirements = (environments.pins("public"), public.requirements)
            python = environments.environment(f"public-{RELEASE}", *requirements)
        except environments.Unavailable as error:
            raise SystemExit(str(error)) from None
        sizes = [f"--{name}={getattr(options, name)}" for name in ("rounds", "vfs", "others")]
        inside = ["-m", "benchmarks.sriov", *sizes, "--inside", python, public.path]
        command = [sys.executable, "-m", "testbed.vm", "igb", sys.executable, *inside]
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
