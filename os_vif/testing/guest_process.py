# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plays a guest: a process in a network namespace of its own, with one interface.

Started in that namespace, it takes commands, a JSON list each, on standard input, and answers
each with a line: ``["configure", name, "192.0.2.1/24"]``, ``["ping", "192.0.2.2"]``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any

#: Types of RFC 792.
_ECHO_REPLY, _ECHO_REQUEST = 0, 8


def configure(name: str, address: str) -> str:
    """Bring an interface up with an address."""
    from pyroute2 import IPRoute

    host, _, length = address.partition("/")
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=name)[0]
        ip.addr("add", index=index, address=host, prefixlen=int(length))
        ip.link("set", index=index, state="up")
    return f"{name} has {address}"


def ping(address: str, attempts: int = 10, wait: float = 0.5) -> str:
    """Send ICMP echo requests until one is answered.

    :raises OSError: if none is, within ``attempts`` times ``wait`` seconds.
    """
    identifier = os.getpid() & 0xFFFF
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(wait)
        for sequence in range(attempts):
            start = time.monotonic()
            try:
                sock.sendto(_echo(identifier, sequence), (address, 0))
                while time.monotonic() - start < wait:
                    packet = sock.recv(2048)
                    # The kernel gives the IP header too; its low nibble is its length in words.
                    header = struct.unpack_from("!BBHHH", packet, (packet[0] & 0xF) * 4)
                    if (header[0], header[3], header[4]) == (_ECHO_REPLY, identifier, sequence):
                        return f"{address} answers in {(time.monotonic() - start) * 1000:.2f} ms"
            except TimeoutError:
                continue
    raise OSError(f"{address} does not answer")


def _echo(identifier: int, sequence: int) -> bytes:
    payload = b"os-vif"
    header = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, identifier, sequence)
    total = sum(struct.unpack("!7H", header + payload))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, checksum, identifier, sequence) + payload


def main() -> None:
    commands: dict[str, Any] = {"configure": configure, "ping": ping}
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = ["ok", commands[name](*arguments)]
        except OSError as error:
            answer = ["failed", str(error)]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
