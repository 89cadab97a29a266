# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs tests in virtual machines, one machine after the other: ``python -m tests.vm.sessions``.

Standard input has, as JSON, the tests of each scenario and the options of their pytest. What a
machine says of them is written to a file of its own, a JSON object a line: those
of ``plugin``; first ``{"kernel": CHOSEN}``, and last ``{"status": N}``, or ``{"ended": WHY}``, or ``{"unavailable": WHY}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cache import Unavailable
from tests.vm import guest, lab
from tests.vm.scenarios import SCENARIOS


def main() -> None:
    given = json.load(sys.stdin)
    for name, tests in given["tests"].items():
        out = Path(given["directory"], name)
        out.mkdir()
        with Path(given["directory"], f"{name}.words").open("w", buffering=1) as words:
            words.writelines(f"{line}\n" for line in _run(name, [*given["options"], *tests], out))


def _run(name: str, arguments: list[str], out: Path) -> Iterator[str]:
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"),
        *("--junitxml=/out/junit.xml", *arguments),
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
