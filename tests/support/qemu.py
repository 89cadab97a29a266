# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A guest as a hypervisor runs it: QEMU, with network cards on tap devices of this host.

It is emulated, from what ``testbed.vm.lab`` has unpacked, and has nothing but busybox in memory.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from testbed.vm import guest
from testbed.vm.lab import Lab, make_initrd

#: Seconds for an answer of its shell; a boot takes 5 to 15.
_PATIENCE = 180
_MODULES = ("virtio_pci", "virtio_net")


@dataclass(frozen=True)
class Card:
    """A network card, and the tap device that QEMU opens for it: made by then, or by QEMU."""

    tap: str
    mac: str
    queues: int = 1


class Machine:
    """It is started in the network namespace of whoever starts it.

    :param directory: for its console, and what it boots from.
    """

    def __init__(self, lab: Lab, directory: Path, *cards: Card) -> None:
        self._lab, self._directory, self._cards = lab, directory, cards

    def __enter__(self) -> Self:
        initrd, here = self._directory / "initrd.gz", Path(__file__).parent
        make_initrd(self._lab, self._directory / "initrd", initrd, here / "qemu_init.sh", _MODULES)
        ours, theirs = socket.socketpair()
        ours.settimeout(_PATIENCE)
        self._words = ours.makefile("rw", newline="\n")
        with ours, theirs:
            self._process = subprocess.Popen(
                [
                    *guest.qemu(self._lab),
                    *("-accel", "tcg,thread=multi", "-m", "192"),
                    *("-kernel", str(self._lab.image), "-initrd", str(initrd)),
                    *("-append", " ".join(guest.PARAMETERS)),
                    *("-serial", f"file:{self._directory}/console"),
                    *("-chardev", f"socket,id=shell,fd={theirs.fileno()}"),
                    *("-serial", "chardev:shell"),
                    *(word for n, card in enumerate(self._cards) for word in _device(n, card)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=(self._directory / "qemu").open("wb"),
                pass_fds=[theirs.fileno()],
                env=self._lab.environment(),
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._words.close()

    def booted(self) -> None:
        """Wait until it takes commands.

        :raises OSError: it ended, or has not come so far.
        """
        self._answer("booting")

    def run(self, command: str) -> str:
        """What a command line in the guest writes.

        :raises OSError: it failed.
        """
        self._words.write(f"{command}\n")
        self._words.flush()
        return self._answer(command)

    def _answer(self, command: str) -> str:
        said = []
        for line in self._words:
            word, _, status = line.strip().partition(" ")
            if word == "status":
                if status == "0":
                    return "".join(said)
                break
            said.append(line)
        told = "".join(
            (self._directory / name).read_text(errors="replace") for name in ("qemu", "console")
        )
        raise OSError(f"in the guest, {command}: {''.join(said)}{told}")

    def configure(self, mac: str, address: str) -> str:
        """Bring the card of that MAC address up, with an address such as ``192.0.2.1/24``.

        :returns: its name in the guest.
        """
        name = self.run(f"basename $(dirname $(grep -l {mac} /sys/class/net/*/address))").strip()
        self.run(f"ip address add {address} dev {name} && ip link set dev {name} up")
        return name


def _device(number: int, card: Card) -> tuple[str, ...]:
    many = card.queues > 1
    backend = f"tap,id=n{number},ifname={card.tap},script=no,downscript=no"
    device = f"virtio-net-pci,netdev=n{number},mac={card.mac},romfile="
    if many:
        backend += f",queues={card.queues}"
        # One vector for each direction of each queue, and two of the device.
        device += f",mq=on,vectors={2 * card.queues + 2}"
    return "-netdev", backend, "-device", device
