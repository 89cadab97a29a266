# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Limits of the kernel: names of devices, MTU, VLAN ids, MAC addresses and PCI addresses.

The functions read nothing from the host and raise nothing. Each MAC address and each PCI address
has one accepted spelling, since records and comparisons use the text.
"""

from __future__ import annotations

import functools
import re
from typing import TypeGuard

#: Bytes of the name of a device: ``IFNAMSIZ`` of linux/if.h, less the terminating zero byte.
MAX_NAME = 15
#: Bytes of an alias: ``IFALIASZ`` of linux/if.h, less the terminating zero byte.
MAX_ALIAS = 255
#: Bytes of the name of a file: ``NAME_MAX`` of linux/limits.h.
MAX_FILE_NAME = 255
#: ``PID_MAX_LIMIT`` of linux/threads.h, which is the greatest id of a process.
MAX_PROCESS = 2**22
#: ``ETH_MIN_MTU`` and ``ETH_MAX_MTU`` of linux/if_ether.h.
MIN_MTU, MAX_MTU = 68, 65535
#: VLAN ids; IEEE 802.1Q reserves 0 and 4095.
MIN_VLAN, MAX_VLAN = 1, 4094

_NOT_IN_NAME = re.compile(r"[/:%\s]")
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
#: ``pci_setup_device`` of drivers/pci/probe.c writes ``%04x:%02x:%02x.%d``: a domain above 0xffff
#: has more than four digits. Intel VMD numbers its domains from 0x10000.
_PCI_ADDRESS = re.compile("(?:[0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7}):[0-9a-f]{2}:[01][0-9a-f][.][0-7]")


def has_reserved_character(name: str) -> bool:
    """Return whether a text has a character that no name of a device may have."""
    return _NOT_IN_NAME.search(name) is not None


def is_device_name(name: object, longest: int = MAX_NAME) -> TypeGuard[str]:
    """Return whether the kernel accepts a text as the name of a device, without a change.

    Sources: ``dev_valid_name`` and ``__dev_alloc_name`` in net/core/dev.c (a ``%`` starts a
    template), ``sysctl_dev_name_is_allowed`` in include/linux/inetdevice.h.

    :param longest: the greatest number of bytes.
    """
    # A character has at least one byte, so the cache has no longer texts.
    return isinstance(name, str) and len(name) <= longest and _is_valid_name(name, longest)


@functools.lru_cache(maxsize=256)
def _is_valid_name(name: str, longest: int) -> bool:
    """Return whether the kernel accepts a name. A plan checks each name several times."""
    return (
        0 < len(name.encode(errors="replace")) <= longest
        and name not in (".", "..", "all", "default")
        and name.isprintable()
        and not has_reserved_character(name)
    )


def is_mtu(mtu: object) -> TypeGuard[int]:
    """Return whether an Ethernet device can have an MTU."""
    return isinstance(mtu, int) and not isinstance(mtu, bool) and MIN_MTU <= mtu <= MAX_MTU


def is_mac(address: object) -> TypeGuard[str]:
    """Return whether a text is a MAC address of Ethernet, in lower case with colons."""
    return isinstance(address, str) and _MAC.fullmatch(address) is not None


def is_pci_address(address: object) -> TypeGuard[str]:
    """Return whether a text is a PCI address as sysfs spells it, such as ``0000:03:00.2``.

    The domain has four digits, or up to eight digits without a leading zero, as in
    ``10000:e1:00.2``.
    """
    return isinstance(address, str) and _PCI_ADDRESS.fullmatch(address) is not None
