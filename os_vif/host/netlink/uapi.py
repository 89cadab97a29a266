# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Constants of the kernel's netlink interface by name, for example ``uapi.RTM_NEWLINK``.

pyroute2 defines the constants, and is loaded when the first constant is read. Constants missing
in pyroute2 come from :mod:`os_vif.host.netlink.supplement`. Read constants in functions only:
loading pyroute2 takes 0.1 seconds, and importing os-vif must not take so long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from os_vif.host.netlink import pyroute2_import

#: Modules of pyroute2 with constants of the kernel, in the order of search.
_MODULES = (
    "pyroute2.netlink",
    "pyroute2.netlink.rtnl",
    "pyroute2.netlink.rtnl.ifinfmsg",
    "pyroute2.netlink.rtnl.ifaddrmsg",
    "pyroute2.netlink.rtnl.rtmsg",
    "pyroute2.netlink.rtnl.ndmsg",
)
#: A module with constants of one prefix, which takes as long to import as the others together.
_DEVLINK, _DEVLINK_PREFIX = "pyroute2.netlink.devlink", "DEVLINK_"
#: Mappings of ``pyroute2.netlink.rtnl`` with constants by name.
_MAPPINGS = ("rtypes", "rtprotos", "rtscopes")


def namespaces(constant: str = _DEVLINK_PREFIX) -> Iterator[Mapping[str, Any]]:
    """Yield each mapping of pyroute2 that may have a constant; by default, all."""
    for name in _MODULES:
        yield vars(pyroute2_import.load(name))
    if constant.startswith(_DEVLINK_PREFIX):
        yield vars(pyroute2_import.load(_DEVLINK))
    rtnl = pyroute2_import.load("pyroute2.netlink.rtnl")
    for name in _MAPPINGS:
        yield getattr(rtnl, name)


def numbered(**texts: str) -> dict[int, str]:
    """Return texts by the numbers of constants, from texts by the names of the constants."""
    return {__getattr__(name): text for name, text in texts.items()}


def __getattr__(name: str) -> int:
    if not name[:1].isupper():
        raise AttributeError(name)
    from os_vif.host.netlink import supplement

    for namespace in (*namespaces(name), vars(supplement)):
        value = namespace.get(name)
        if isinstance(value, int):
            # The module's dictionary answers from now on.
            globals()[name] = value
            return value
    text = f"neither pyroute2 nor os_vif.host.netlink.supplement defines {name}"
    raise AttributeError(text)
