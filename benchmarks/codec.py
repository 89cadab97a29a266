# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What it gains that os-vif packs link messages itself: plugs with pyroute2 in its place.

    .venv/bin/python -m benchmarks.codec [--rounds 30] [--links 10]

It needs root, and touches nothing of the host: it has a network namespace of its own. The
privileged part runs in the same process, so that no daemon is measured. The socket and the
messages are the same for both; only who writes and reads the messages of links differs.
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
from os_vif.host.netlink import codec as packed
from os_vif.host.netlink import rtnetlink
from tests.functional.namespaces import hide_record, private
from vif_plug_linux_bridge import privsep

PYROUTE2, PACKED = "pyroute2", "packed"


def link(attributes: Mapping[str, Any], index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """The body of a link message, as ``packed.link`` has it, by pyroute2."""
    message = ifinfmsg()
    message.update(index=index, flags=flags, change=change, attrs=_nested(attributes)["attrs"])
    message.encode()
    return bytes(message.data[packed.HEADER.size :])


def _nested(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes, and those inside attributes, in the form that pyroute2 wants."""
    return {
        "attrs": [
            (name, _nested(value) if isinstance(value, Mapping) else value)
            for name, value in attributes.items()
        ]
    }


def read_link(data: bytes) -> tuple[int, int, dict[str, Any]]:
    """What ``packed.read_link`` finds in a link message, by pyroute2.

    It decodes an attribute when that is asked for, and is asked for those that os-vif knows only.
    """
    message = ifinfmsg(data)
    message.decode()
    found = _found(message, packed.IFLA)
    if info := found.get("IFLA_LINKINFO"):
        kind = info.get_attr("IFLA_INFO_KIND")
        read = found["IFLA_LINKINFO"] = {"IFLA_INFO_KIND": kind}
        if settings := info.get_attr("IFLA_INFO_DATA"):
            read["IFLA_INFO_DATA"] = _found(settings, packed.DATA.get(kind, {}))
    return message["index"], message["flags"], found


def _found(message: Any, table: packed.Table) -> dict[str, Any]:
    values = {name: message.get_attr(name) for name in table}
    return {name: value for name, value in values.items() if value is not None}


@contextlib.contextmanager
def codec(name: str) -> Iterator[None]:
    """Link messages are written and read by that one."""
    if name == PACKED:
        yield
        return
    with mock.patch.multiple(packed, link=link, read_link=read_link):
        yield


def plug(name: str) -> float:
    """:returns: the seconds that it took."""
    vif, guest = linux_bridge.vif(), objects.InstanceInfo(name="guest")
    with codec(name):
        start = time.perf_counter()
        os_vif.plug(vif, guest)
        return time.perf_counter() - start


def twice(plug: Callable[[], float]) -> dict[str, float]:
    """The seconds for a plug, and for one more."""
    seconds = {linux_bridge.PLUG: plug(), linux_bridge.AGAIN: plug()}
    linux_bridge.verify(linux_bridge.AGAIN)
    linux_bridge.clean()
    return seconds


def compare_readers() -> None:
    """:raises SystemExit: if the two codecs do not see the same devices."""
    seen = []
    for name in (PYROUTE2, PACKED):
        with codec(name), rtnetlink.opened() as net:
            seen.append(net.links())
    if seen[0] != seen[1]:
        raise SystemExit(f"pyroute2 sees {seen[0]}, os-vif {seen[1]}")


def main() -> None:
    parser = sides.arguments(__doc__, rounds=30)
    parser.add_argument("--links", type=int, default=10, help="other devices (default: 10)")
    options = sides.parsed(parser)
    hide_record()
    cfg.CONF([], project="os-vif-benchmark")
    os_vif.initialize()
    privsep.vif_plug.set_client_mode(False)
    with private():
        linux_bridge.prepare(options.links, up=False)
        compare_readers()
        plugs = {name: functools.partial(plug, name) for name in (PYROUTE2, PACKED)}
        times = linux_bridge.measure(plugs, options.rounds, twice)
    print(f"# Linux {platform.release()}, Python {platform.python_version()}")
    print(f"# {options.links} other devices; ms: median (p10-p90) of {options.rounds}")
    print(f"{'case':30}{PYROUTE2:24}{PACKED:24}ratio")
    for case, of in times.items():
        of_both = "".join(sides.show(of[name]) for name in plugs)
        print(f"{case:30}{of_both}{sides.ratio(of[PYROUTE2], of[PACKED]):4.1f}x")


if __name__ == "__main__":
    main()
