# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Run tests in virtual machines, a machine after the other: ``python -m tests.vm.sessions``.

Standard input has the tests of each scenario and the options of pytest, as JSON. The reports of
each machine are written to a file, a JSON object for each line: first ``{"kernel": CHOSEN}``, then
the reports of ``plugin``, and last ``{"status": N}``, ``{"ended": WHY}`` or ``{"unavailable":
WHY}``.
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

#: Time limit of a test in a guest, less than the limit for silent machines, in seconds.
LIMIT = guest.SILENCE - 100

#: A file in the directory, locked while this process runs.
ALIVE = "alive"


def main() -> None:
    given = json.load(sys.stdin)
    # The kernel releases the lock at the end of the process.
    with Path(given["directory"], ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("started\n")
        file.flush()
        _run_all(given)


def alive(path: Path) -> bool:
    """Return whether the process with the lock on an existing file is alive."""
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
    environment = {
        "OS_VIF_IN_VM": name,
        "PYTHONDONTWRITEBYTECODE": "1",
        # oslo.privsep loads eventlet. Without this variable eventlet loads dnspython, for 10 s.
        "EVENTLET_NO_GREENDNS": "yes",
    }
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
