# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Run a shell or a command in a virtual machine: ``python -m testbed.vm SCENARIO [COMMAND ...]``.

The exit status is the status of the command, or 125 if no machine is available or the machine
ended too early.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import termios
from pathlib import Path

from testbed.cache import Unavailable
from testbed.vm import guest, lab
from testbed.vm.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.vm")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="by default a shell")
    given = parser.parse_args()
    command = given.command or ["bash", "-i"]
    # pytest --pdb needs the test in the same process.
    environment = {"OS_VIF_IN_VM": given.scenario, **guest.terminal_environment()}
    tty = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    with tempfile.TemporaryDirectory(prefix="os-vif-vm-") as out:
        try:
            machine = guest.Guest(
                lab.lab(),
                SCENARIOS[given.scenario],
                command,
                Path(out),
                environment,
                terminal=True,
                silence=None,
            )
            try:
                for _ in machine.lines():
                    pass
                return machine.status()
            finally:
                machine.end()
        except (guest.Ended, Unavailable) as reason:
            sys.stderr.write(f"no virtual machine: {reason}\n")
            return 125
        finally:
            if tty is not None:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, tty)


if __name__ == "__main__":
    sys.exit(main())
