# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A guest as a hypervisor runs a guest: QEMU, with network cards on tap devices of this host.

The guest is emulated from the files of ``testbed.vm.lab``, and has only busybox in memory.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from testbed.vm import guest
from testbed.vm.lab import Lab, make_initrd

#: Seconds to wait for an answer of the shell; a boot takes 5 to 15 seconds.
_PATIENCE = 180
_MODULES = ("virtio_pci", "virtio_net")


@dataclass(frozen=True)
class Card:
    """A network card, with a tap device that exists already or that QEMU creates."""

    tap: str
    mac: str
    queues: int = 1


class Machine:
    """A guest in the network namespace of the calling thread.

    :param directory: the directory for the console and the boot files.
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
        """Wait until the guest accepts commands.

        :raises OSError: the guest ended, or did not boot in time.
        """
        self._answer("booting")

    def run(self, command: str) -> str:
        """Run a command line in the guest, and return the output.

        :raises OSError: the command failed.
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
        """Bring the card with a MAC address up, with an address such as ``192.0.2.1/24``.

        :returns: the name of the device in the guest.
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
        # A vector for each direction of each queue, and two vectors for the device.
        device += f",mq=on,vectors={2 * card.queues + 2}"
    return "-netdev", backend, "-device", device
