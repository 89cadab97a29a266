# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs tests in virtual machines, one machine after the other: ``python -m tests.vm.sessions``.

Standard input has, as JSON, the tests of each scenario and the options of their pytest. What a
machine says of them is written to a file of its own, a JSON object a line: those
of ``plugin``; first ``{"kernel": CHOSEN}``, and last ``{"status": N}``, or ``{"ended": WHY}``, or ``{"unavailable": WHY}``.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from testbed.cache import Unavailable
from testbed.vm import guest, lab
from testbed.vm.scenarios import SCENARIOS

#: Seconds for each test there: less than after which a silent machine is ended.
LIMIT = guest.SILENCE - 100

#: A file in the directory: locked while this process is there.
ALIVE = "alive"


def main() -> None:
    given = json.load(sys.stdin)
    # Held until this process ends, whatever ends it.
    with Path(given["directory"], ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("started\n")
        file.flush()
        _run_all(given)


def alive(path: Path) -> bool:
    """Whether the process that holds that file, which exists, is there."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _run_all(given: dict) -> None:
    for name, tests in given["tests"].items():
        out = Path(given["directory"], name)
        out.mkdir()
        with Path(given["directory"], f"{name}.words").open("w", buffering=1) as words:
            words.writelines(f"{line}\n" for line in _run(name, [*given["options"], *tests], out))


def _run(name: str, arguments: list[str], out: Path) -> Iterator[str]:
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"),
        *("--junitxml=/out/junit.xml", f"--timeout={LIMIT}", *arguments),
    ]
    environment = {"OS_VIF_IN_VM": name, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        made = lab.lab()
        yield json.dumps({"kernel": made.chosen})
        machine = guest.Guest(made, SCENARIOS[name], command, out, environment)
    except Unavailable as reason:
        yield json.dumps({"unavailable": str(reason)})
        return
    try:
        yield from machine.lines()
        yield json.dumps({"status": machine.status()})
    except guest.Ended as reason:
        yield json.dumps({"ended": str(reason)})
    finally:
        machine.end()


if __name__ == "__main__":
    main()
