# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A virtual machine that boots with the file system of this machine, and runs a single command.

QEMU interprets the guest's instructions (TCG) and never uses hardware virtualization. Changes to
the guest's disk are lost, except in ``/out``, a directory of this machine.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from testbed.cache import Unavailable
from testbed.vm.lab import Lab
from testbed.vm.scenarios import Scenario

#: Seconds of silence after which a guest counts as hung. A boot takes 5 to 15 seconds. A test that
#: starts many daemons takes up to 150 seconds on a busy machine.
SILENCE = 600
#: Greatest size of the console, and of the files in ``/out``, in bytes.
NEEDED_SPACE = 50_000_000

# The first process of the guest. ovs-vswitchd 3.1 sets up no packet handlers while the monotonic
# clock is below 10 s, as in a new guest: programs of the guest have a clock 1,000 s ahead.
_JOB = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root
export TMPDIR=/run/tmp
for module in {modules}; do modprobe $module || echo "os-vif-vm: no module $module" >/dev/console; done
ip link set dev lo up
cd {directory}
(
    exec 3>/dev/vport0p1
    exec {wrapper}unshare --time --monotonic 1000 --boottime 1000 --fork -- \\
        env {environment} {command} {streams}
)
echo $? >/out/status
sync -f /out
echo b >/proc/sysrq-trigger
sleep 60
"""
_MACHINE = (
    *("-machine", "q35,sata=off,smbus=off,usb=off,vmport=off,kernel-irqchip=split"),
    *("-cpu", "max,-la57", "-smp", "2"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
)
PARAMETERS = (
    "console=ttyS0",
    # On a busy machine an emulated timer fires after the kernel's timeout during boot.
    "no_timer_check",
    *("quiet", "loglevel=4", "panic=-1", "mitigations=off", "random.trust_cpu=on"),
    *("i8042.noaux", "i8042.nokbd", "net.ifnames=0"),
)


class Ended(Exception):
    """The guest ended, or was killed, before the command ended."""


class Guest:
    """A booting guest.

    :param out: a directory for the files of the guest: ``status``, ``output``, ``console``, and
        more.
    :param environment: variables for the command.
    :param terminal: give the command the terminal of this process. Otherwise the command has no
        terminal, and its output goes to ``output``.
    :raises Unavailable: QEMU cannot be started; the message says why.
    """

    def __init__(
        self,
        lab: Lab,
        scenario: Scenario,
        command: Sequence[str],
        out: Path,
        environment: Mapping[str, str] | None = None,
        *,
        terminal: bool = False,
        silence: float | None = SILENCE,
    ) -> None:
        self.out = out
        self._silence = silence
        free = shutil.disk_usage(out).free
        if free < NEEDED_SPACE:
            raise Unavailable(f"no space: {free // 10**6} MB are free in {out}")
        streams = "</dev/hvc0 >/dev/hvc0 2>&1" if terminal else "</dev/null >/out/output 2>&1"
        # A privileged daemon must also run the code of this session.
        there = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        given = [f"{name}={value}" for name, value in {**there, **(environment or {})}.items()]
        (out / "job").write_text(
            _JOB.format(
                modules=" ".join(scenario.modules),
                directory=shlex.quote(str(Path.cwd())),
                # A shell leads a session of its own to control jobs.
                wrapper="setsid --ctty --wait " if terminal else "",
                environment=shlex.join(given),
                command=shlex.join(command),
                streams=streams,
            ),
            encoding="utf-8",
        )
        ours, theirs = socket.socketpair()
        arguments = [
            *qemu(lab),
            *("-accel", "tcg,thread=multi,tb-size=512", "-m", "1536"),
            *("-device", "virtio-serial-pci"),
            *("-kernel", str(lab.image), "-initrd", str(lab.initrd)),
            *("-append", " ".join((*PARAMETERS, *scenario.parameters))),
            *("-serial", f"file:{out}/console"),
            *("-chardev", f"socket,id=words,fd={theirs.fileno()}"),
            *("-device", "virtserialport,chardev=words,nr=1"),
            *_shared("/", "host", writable=False),
            *_shared(lab.tools, "tools", writable=False),
            *_shared(lab.kernel, "kernel", writable=False),
            *_shared(out, "out", writable=True),
            *scenario.devices,
        ]
        if terminal:
            arguments += ["-chardev", "stdio,id=tty,signal=off"]
            arguments += ["-device", "virtconsole,chardev=tty,nr=0"]
        with theirs:
            self._process = subprocess.Popen(
                arguments,
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=None if terminal else subprocess.DEVNULL,
                stderr=(out / "qemu").open("wb"),
                pass_fds=[theirs.fileno()],
                env=lab.environment(),
            )
        self._socket = ours

    @property
    def pid(self) -> int:
        """Return the process id of QEMU."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Yield the lines that the command writes to descriptor 3, until the command has ended.

        :raises Ended: the guest ended before the command, or was silent for too long and was
            killed.
        """
        rest = b""
        deadline = self._deadline()
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            readable, _, _ = select.select([self._socket], [], [], left)
            if not readable:
                self.end()
                raise Ended(f"said nothing for {self._silence:g} s, and was ended{self._last()}")
            data = b""
            with contextlib.suppress(ConnectionError):
                data = self._socket.recv(1 << 16)
            if not data:
                break
            deadline = self._deadline()
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode() for line in lines)
        self.status()

    def _deadline(self) -> float | None:
        return None if self._silence is None else time.monotonic() + self._silence

    def status(self) -> int:
        """Wait for the end of the guest, and return the exit status of the command.

        :raises Ended: the guest ended before the command.
        """
        code = self._process.wait()
        said = self.out / "status"
        if not said.exists() or not said.read_text().strip():
            how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
            raise Ended(f"ended before its command did (QEMU: {how}){self._last()}")
        return int(said.read_text())

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._socket.close()

    def _last(self) -> str:
        """Return the last lines of QEMU and of the guest's console."""
        said = ""
        for name in ("qemu", "console"):
            path = self.out / name
            text = path.read_text(errors="replace").strip() if path.exists() else ""
            if text:
                tail = "\n".join(f"    {line}" for line in text.splitlines()[-20:])
                said += f"; the end of {path}:\n{tail}"
        return said or "; its console is empty"


def qemu(lab: Lab) -> tuple[str, ...]:
    """Return the command for QEMU with the options of every guest. QEMU ends with this process.

    :raises Unavailable: QEMU is not installed.
    """
    return (
        # The kernel kills QEMU when this process ends for any reason.
        *("setpriv", "--pdeathsig", "KILL"),
        lab.program("qemu-system-x86_64"),
        *("-L", f"{lab.tools}/usr/share/qemu", "-L", f"{lab.tools}/usr/share/seabios"),
        *_MACHINE,
    )


def _shared(path: str | Path, tag: str, *, writable: bool) -> tuple[str, str]:
    kind = "security_model=none,multidevs=remap" + ("" if writable else ",readonly=on")
    return "-virtfs", f"local,path={path},mount_tag={tag},{kind}"


def terminal_environment() -> dict[str, str]:
    """Return the variables that describe the terminal of this process to a program in a guest."""
    size = shutil.get_terminal_size()
    return {
        "TERM": os.environ.get("TERM", "dumb"),
        "COLUMNS": str(size.columns),
        "LINES": str(size.lines),
    }
