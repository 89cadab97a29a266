# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network namespaces for tests, and what the kernel holds in one."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

#: ``CLONE_NEWNET`` of linux/sched.h. ``os.unshare`` came with Python 3.12.
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def why_not() -> str | None:
    """The right that is missing for a network namespace; None if all are there."""
    prefix = ["unshare", "--net", "--", "ip", "link", "add", "os-vif-probe", "type", "bridge"]
    try:
        tried = subprocess.run(prefix, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return f"there is no {error.filename}"
    if tried.returncode == 0:
        return None
    return f"needs CAP_SYS_ADMIN and CAP_NET_ADMIN, or a user namespace: {tried.stderr.strip()}"


@contextmanager
def private() -> Iterator[None]:
    """Move this thread, and what it starts, into a network namespace of its own."""
    with pathlib.Path("/proc/thread-self/ns/net").open("rb") as before:
        _call("unshare", _CLONE_NEWNET)
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _call("setns", before.fileno(), _CLONE_NEWNET)


def ip(*arguments: str) -> list[dict]:
    """Ask ip(8), and get data."""
    done = subprocess.run(
        ["ip", "-json", "-details", *arguments], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout or "[]")


def run(command: str) -> None:
    """A command line, as a user types it."""
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - that is the point


#: What changes by itself.
_VOLATILE = {"hello_timer", "gc_timer", "tcn_timer", "topology_change_timer", "stats64"}


def snapshot() -> dict[str, object]:
    """All that a plug may change here: links, addresses, routes, rules and sysctls."""
    links = ip("link")
    for link in links:
        for data in (link, link.get("linkinfo", {}).get("info_data", {})):
            for key in _VOLATILE & data.keys():
                del data[key]
    return {
        "links": links,
        "addresses": {link["ifname"]: link["addr_info"] for link in ip("address")},
        "routes": ip("route", "show", "table", "all"),
        "rules": ip("rule"),
        "sysctls": {
            str(path): path.read_text()
            for link in links
            for family in ("ipv4", "ipv6")
            for path in pathlib.Path("/proc/sys/net", family, "conf", link["ifname"]).glob("*")
            if path.name != "stable_secret" and os.access(path, os.R_OK)
        },
    }
