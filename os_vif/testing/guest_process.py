# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The process of a simulated guest; :class:`os_vif.testing.guests.Guest` starts the process.

``python -m os_vif.testing.guest_process`` runs in the network namespace of the guest. The process
prints the line ``ready``, then reads requests from standard input until the end of file. A request
is a line with a JSON list: the name of a function of this module and the arguments, such as
``["configure", "eth0", "192.0.2.1/24"]`` or ``["ping", "192.0.2.2"]``. The answer is a line with
``["ok", TEXT]`` or ``["failed", REASON]``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any

#: ICMP types of RFC 792.
ECHO_REPLY, ECHO_REQUEST = 0, 8


def configure(name: str, address: str) -> str:
    """Add an address to a network interface, and set the interface up.

    :param address: an address with the prefix length, such as ``192.0.2.1/24``.
    :raises OSError: if no interface has the name.
    :raises pyroute2.NetlinkError: if the kernel refuses.
    """
    from pyroute2 import IPRoute

    host, _, length = address.partition("/")
    with IPRoute() as ip:
        indexes = ip.link_lookup(ifname=name)
        if not indexes:
            raise OSError(f"the guest has no interface {name}")
        ip.addr("add", index=indexes[0], address=host, prefixlen=int(length))
        ip.link("set", index=indexes[0], state="up")
    return f"{name} has {address}"


def ping(address: str, attempts: int = 10, wait_s: float = 0.5) -> str:
    """Send ICMP echo requests until one is answered; return a sentence with the round-trip time.

    :param address: an IPv4 address.
    :param attempts: the greatest number of requests.
    :param wait_s: the time to wait for each answer, in seconds.
    :raises OSError: if no request is answered.
    """
    identifier = os.getpid() & 0xFFFF
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(wait_s)
        for sequence in range(attempts):
            start = time.monotonic()
            try:
                sock.sendto(echo_request(identifier, sequence), (address, 0))
                while time.monotonic() - start < wait_s:
                    packet = sock.recv(2048)
                    # A raw socket also delivers the IP header; the low nibble of the first byte
                    # is the length of the header in words of 4 bytes.
                    header = struct.unpack_from("!BBHHH", packet, (packet[0] & 0xF) * 4)
                    if (header[0], header[3], header[4]) == (ECHO_REPLY, identifier, sequence):
                        return f"{address} answers in {(time.monotonic() - start) * 1000:.2f} ms"
            except TimeoutError:
                continue
    raise OSError(f"{address} does not answer")


def echo_request(identifier: int, sequence: int) -> bytes:
    """Return an ICMP echo request with a checksum (RFC 792)."""
    payload = b"os-vif"
    header = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, sequence)
    total = sum(struct.unpack("!7H", header + payload))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum, identifier, sequence) + payload


def main() -> None:
    """Answer requests from standard input until the end of file."""
    commands: dict[str, Any] = {"configure": configure, "ping": ping}
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = ["ok", commands[name](*arguments)]
        except Exception as error:  # noqa: BLE001 - the caller raises the reason
            answer = ["failed", str(error) or type(error).__name__]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
