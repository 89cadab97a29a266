# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of plugs with os-vif's compiled codec of link messages, and with pyroute2's encoder.

    .venv/bin/python -m benchmarks.codec [--rounds 30] [--links 10]

Needs root. All changes are made in a private network namespace. The privileged part runs in the
same process, without a daemon. The socket and the messages are the same for the two codecs.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

from oslo_config import cfg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

import os_vif
from benchmarks import linux_bridge, sides
from os_vif import objects
from os_vif.host.netlink import messages, rtnetlink
from os_vif.host.netlink.codec import HEADER
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace
from vif_plug_linux_bridge import privsep

PYROUTE2, COMPILED = "pyroute2", "compiled"


def pack(attributes: Mapping[str, Any], **fields: int) -> bytes:
    """Return the body of a link message, as ``LINK.pack`` does, by pyroute2."""
    message = ifinfmsg()
    message.update(**fields, attrs=_nested(attributes)["attrs"])
    message.encode()
    return bytes(message.data[HEADER.size :])


def _nested(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Convert nested attributes to the form of pyroute2."""
    return {
        "attrs": [
            (name, _nested(value) if isinstance(value, Mapping) else value)
            for name, value in attributes.items()
        ]
    }


class Nested(Mapping[str, Any]):
    """Attributes within an attribute, each decoded when pyroute2 is asked for the attribute."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __getitem__(self, name: str) -> Any:
        value = self._message.get_attr(name)
        if value is None:
            raise KeyError(name)
        return Nested(value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter([slot[0] for slot in self._message["attrs"]])

    def __len__(self) -> int:
        return len(self._message["attrs"])


def _decoded(body: bytes) -> Any:
    message = ifinfmsg(HEADER.pack(HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    return message


def read(body: bytes, skipped: list[int] | None = None) -> dict[str, Any]:
    """Return the attributes that os-vif reads of a link, by pyroute2."""
    del skipped
    nested = Nested(_decoded(body))
    return {name: nested[name] for name in rtnetlink.LINK_ATTRIBUTES if name in nested}


@contextlib.contextmanager
def use_codec(name: str) -> Iterator[None]:
    """Write and read link messages with a codec."""
    if name == COMPILED:
        yield
        return
    with (
        mock.patch.object(messages.LINK, "pack", pack),
        mock.patch.object(rtnetlink, "LINK_READER", mock.Mock(read=read)),
    ):
        yield


def plug(name: str) -> float:
    """Plug with a codec; return the seconds."""
    vif, guest = linux_bridge.vif(), objects.InstanceInfo(name="guest")
    with use_codec(name):
        start = time.perf_counter()
        os_vif.plug(vif, guest)
        return time.perf_counter() - start


def time_replug(plug: Callable[[], float]) -> dict[str, float]:
    """Return the seconds of a plug and of a re-plug."""
    seconds = {linux_bridge.PLUG: plug(), linux_bridge.AGAIN: plug()}
    linux_bridge.verify(linux_bridge.AGAIN)
    linux_bridge.clean()
    return seconds


def _settings(link: rtnetlink.Link) -> int | None:
    """Return a setting of a bridge: ``Link.data`` does not count in a comparison of links."""
    return link.data["IFLA_BR_FORWARD_DELAY"] if link.kind == "bridge" else None


def compare_readers() -> None:
    """Raise SystemExit unless the two codecs read the same devices."""
    devices = []
    for name in (PYROUTE2, COMPILED):
        with use_codec(name), rtnetlink.opened() as net:
            devices.append([(link, _settings(link)) for link in net.links()])
    if devices[0] != devices[1]:
        raise SystemExit(f"pyroute2 sees {devices[0]}, os-vif {devices[1]}")


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=30)
    parser.add_argument("--links", type=int, default=10, help="other devices (default: 10)")
    options = sides.parse_options(parser)
    hide_state_directory()
    cfg.CONF([], project="os-vif-benchmark")
    os_vif.initialize()
    privsep.vif_plug.set_client_mode(False)
    with private_namespace():
        linux_bridge.prepare(options.links, up=False)
        compare_readers()
        plugs = {name: functools.partial(plug, name) for name in (PYROUTE2, COMPILED)}
        times = linux_bridge.measure(plugs, options.rounds, time_replug)
    print(f"# Linux {platform.release()}, Python {platform.python_version()}")
    print(f"# {options.links} other devices; ms: median (p10-p90) of {options.rounds}")
    print(f"{'case':30}{PYROUTE2:24}{COMPILED:24}ratio")
    for case, by_codec in times.items():
        columns = "".join(sides.show(by_codec[name]) for name in plugs)
        print(f"{case:30}{columns}{sides.ratio(by_codec[PYROUTE2], by_codec[COMPILED]):4.1f}x")


if __name__ == "__main__":
    main()
