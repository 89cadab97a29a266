# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the fields of steps.

A function ``check(step, "field", ...)`` raises :class:`os_vif.exception.InvalidStep`, with step,
field and the expected values, if the field is outside the permitted range. ``optional=True``
permits None. Functions ``is_...`` return the result of a check instead of raising an error.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TYPE_CHECKING, Any, TypeGuard

from os_vif import exception
from os_vif.device_names import VIF_DEVICES
from os_vif.host import limits
from os_vif.host.limits import (
    MAX_FILE_NAME,
    MAX_NAME,
    MAX_PROCESS,
    is_device_name,
    is_mac,
    is_pci_address,
)
from os_vif.host.netlink import route_metrics
from os_vif.steps import patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from os_vif.steps.plan import Step

MAX_PATTERN = 1000
#: Open vSwitch has no limit of its own.
MAX_PORT_NAME = 64
#: ovs-vswitchd creates a file with the name of a bridge and the suffix ``.snoop``.
MAX_BRIDGE_NAME = MAX_FILE_NAME - len(".snoop")
#: ``XT_EXTENSION_MAXNAMELEN`` of linux/netfilter/x_tables.h, less the terminating zero byte.
_CHAIN = re.compile("[A-Za-z0-9_][A-Za-z0-9_-]{0,27}")
_PLAIN = re.compile("[A-Za-z0-9_.@+=][A-Za-z0-9_.@+=-]*")
#: Characters of the longest text of an IPv6 address with a prefix length.
_LONGEST_ADDRESS = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
#: Forwarding rules of a bridge that an undo step may restore.
MAX_RULES = 1024
#: Name of a VIF's device: a prefix of nova or Neutron, and the beginning of a UUID.
VIF_NAME = re.compile(f"(?:{'|'.join(VIF_DEVICES)})[0-9a-f]{{8}}(?:-[0-9a-f]{{0,3}})?")

#: Expected values, for error messages.
DEVICE_NAME = f"a device name of 1 to {MAX_NAME} bytes without '/', ':', '%' or white space"
BRIDGE_NAME = (
    f"a bridge's name of 1 to {MAX_BRIDGE_NAME} bytes without '/', ':', '%' or white space"
)
#: Condition for names longer than ``MAX_NAME``, for error messages.
USER_SPACE = "a longer name is for a bridge in user space, of datapath_type netdev"
VLAN = f"a VLAN id of {limits.MIN_VLAN} to {limits.MAX_VLAN}"
MTU = f"an MTU of {limits.MIN_MTU} to {limits.MAX_MTU} bytes"


def is_bridge_name(name: object) -> TypeGuard[str]:
    """Return whether Open vSwitch accepts a name for a bridge: the kernel's rules, but longer.

    The device of a bridge in user space is a tap device. ovs-vswitchd names the tap device by the
    first 15 bytes of the bridge's name (``netdev_linux_construct_tap`` in lib/netdev-linux.c).
    """
    return is_device_name(name, MAX_BRIDGE_NAME)


def is_long(bridge: str) -> bool:
    """Return whether a name is too long for a network interface of the kernel."""
    return len(bridge.encode(errors="replace")) > MAX_NAME


def _reject(step: Step, field: str, expected: str) -> None:
    """Raise InvalidStep for a field, with the present value and the expected values."""
    raise exception.InvalidStep(
        step=type(step).__name__, field=field, found=getattr(step, field), expected=expected
    )


def device_name(step: Step, field: str, *, optional: bool = False, colon: bool = False) -> None:
    """Require the name of a network interface.

    :param colon: permit a colon, as in the label of an address.
    """
    value = getattr(step, field)
    if optional and value is None:
        return
    plain = value.replace(":", "-") if colon and isinstance(value, str) else value
    if not is_device_name(plain):
        _reject(step, field, DEVICE_NAME)


def plain_device_name(step: Step, field: str) -> None:
    """Require the name of a network interface that needs no quotes in a rule of iptables(8)."""
    value = getattr(step, field)
    # A last + is a wildcard of iptables: the rules would match other devices.
    if not is_device_name(value) or _PLAIN.fullmatch(value) is None or value.endswith("+"):
        expected = f"{DEVICE_NAME}, of letters, digits and . _ @ + = -, without + at the end"
        _reject(step, field, expected)


def mac(step: Step, field: str, *, optional: bool = False) -> None:
    """Require a MAC address in lower case."""
    value = getattr(step, field)
    if not is_mac(value) and not (optional and value is None):
        _reject(step, field, "a MAC address in lower case, such as fa:16:3e:00:00:01")


def pci_address(step: Step, field: str, *, optional: bool = False) -> None:
    """Require a PCI address in lower case, with domain, bus, device and function."""
    value = getattr(step, field)
    if not is_pci_address(value) and not (optional and value is None):
        _reject(step, field, "a PCI address in lower case, such as 0000:03:00.2")


def matching(
    step: Step, field: str, pattern: re.Pattern[str], expected: str, *, optional: bool = False
) -> None:
    """Require a text that matches a regular expression as a whole."""
    value = getattr(step, field)
    if optional and value is None:
        return
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        _reject(step, field, expected)


def text(step: Step, field: str, longest: int, *, optional: bool = False) -> None:
    """Require printable text of at most *longest* bytes in UTF-8."""
    value = getattr(step, field)
    if optional and value is None:
        return
    if (
        not isinstance(value, str)
        or not (value.isprintable() or not value)
        or len(value.encode(errors="replace")) > longest
    ):
        _reject(step, field, f"printable text of at most {longest} bytes")


def interface_address(step: Step, field: str, *, optional: bool = False) -> None:
    """Require an IP address with a prefix length."""
    _canonical(step, field, optional, ipaddress.ip_interface, "an IP address with a prefix length")


def interface_addresses(step: Step, field: str, most: int) -> None:
    """Require a tuple of IP addresses with prefix lengths."""
    values = getattr(step, field)
    are_addresses = isinstance(values, tuple) and all(
        _is_address(ipaddress.ip_interface, value) for value in values
    )
    if not are_addresses or len(values) > most:
        _reject(step, field, f"at most {most} IP addresses with a prefix length")


def ip_address(step: Step, field: str, *, optional: bool = False) -> None:
    """Require an IP address."""
    _canonical(step, field, optional, ipaddress.ip_address, "an IP address")


def network(step: Step, field: str) -> None:
    """Require an IP network, such as 192.0.2.0/24."""
    _canonical(step, field, False, ipaddress.ip_network, "a network, such as 192.0.2.0/24")


def _canonical(
    step: Step, field: str, optional: bool, parse: Callable[[str], object], expected: str
) -> None:
    """Require a text in the canonical form of a parser: equal values have equal texts."""
    value = getattr(step, field)
    if optional and value is None:
        return
    if not _is_address(parse, value):
        _reject(step, field, expected)


def _is_address(parse: Callable[[str], object], value: object) -> bool:
    """Return whether a value is a text in the canonical form of a parser of addresses."""
    is_short = isinstance(value, str) and len(value) <= _LONGEST_ADDRESS
    return is_short and _is_canonical(parse, value)


@functools.lru_cache(maxsize=256)
def _is_canonical(parse: Callable[[str], object], value: str) -> bool:
    """Return whether a text is in the canonical form. A plan checks each address several times."""
    try:
        # An IPv6 zone may be any text, and is unnecessary: a step names the network interface.
        return "%" not in value and str(parse(value)) == value
    except ValueError:
        return False


def boolean(step: Step, field: str, *, optional: bool = False) -> None:
    """Require a boolean."""
    value = getattr(step, field)
    if not isinstance(value, bool) and not (optional and value is None):
        _reject(step, field, "true or false")


def integer(step: Step, field: str, low: int, high: int, *, optional: bool = False) -> None:
    """Require a number from *low* to *high*."""
    value = getattr(step, field)
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _reject(step, field, f"a number from {low} to {high}")


def one_of(step: Step, field: str, values: Container[Any], expected: str) -> None:
    """Require a text of a set."""
    value = getattr(step, field)
    if not isinstance(value, str) or value not in values:
        _reject(step, field, expected)


def file_name(step: Step, field: str) -> None:
    """Require the name of a file, without a directory."""
    value = getattr(step, field)
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or not 0 < len(value.encode(errors="replace")) <= MAX_FILE_NAME
        or "/" in value
        or value in (".", "..")
    ):
        _reject(step, field, "a file's name, without '/'")


def device_names(step: Step, field: str) -> None:
    """Require a tuple of names of network interfaces; ``all`` and a final ``+`` are permitted."""
    value = getattr(step, field)
    if not isinstance(value, tuple) or not all(
        name == "all" or (is_device_name(name) and _PLAIN.fullmatch(name)) for name in value
    ):
        _reject(step, field, f"a list of names, each {DEVICE_NAME}")


def integers(step: Step, field: str, low: int, high: int, most: int) -> None:
    """Require a tuple of at most *most* numbers from *low* to *high*."""
    value = getattr(step, field)
    if (
        not isinstance(value, tuple)
        or len(value) > most
        or not all(
            isinstance(n, int) and not isinstance(n, bool) and low <= n <= high for n in value
        )
    ):
        _reject(step, field, f"a list of at most {most} numbers from {low} to {high}")


def flags(step: Step, field: str, known: int) -> None:
    """Require a number with no other bits than *known*."""
    value = getattr(step, field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value & ~known:
        _reject(step, field, f"some of the bits of {known:#x}")


def chain(step: Step, field: str) -> None:
    """Require the name of a target or chain of iptables(8), such as ACCEPT."""
    value = getattr(step, field)
    if not isinstance(value, str) or _CHAIN.fullmatch(value) is None:
        _reject(step, field, "the name of a target or chain of iptables")


def rules(step: Step, field: str, bridge: str) -> None:
    """Require None, or a tuple of rules that :func:`is_bridge_rule` accepts."""
    value = getattr(step, field)
    if value is None:
        return
    if (
        not isinstance(value, tuple)
        or len(value) > MAX_RULES
        or not all(is_bridge_rule(rule, bridge) for rule in value)
    ):
        expected = f"at most {MAX_RULES} rules of three texts: the input device of a packet"
        _reject(step, field, f"{expected}, the output device (one of them {bridge}), the target")


def is_bridge_rule(rule: object, bridge: str) -> bool:
    """Return whether a rule names the bridge as input or output device, and a target.

    A rule is a tuple of input device, output device and target. An empty text permits any device.
    """
    match rule:
        case (str(source), str(sink), str(target)) if isinstance(rule, tuple):
            devices = [device for device in (source, sink) if device]
            return (
                bridge in devices
                and _CHAIN.fullmatch(target) is not None
                and all(_PLAIN.fullmatch(d) is not None and is_device_name(d) for d in devices)
            )
        case _:
            return False


def metrics(step: Step, field: str) -> None:
    """Require metrics of a route in the notation of ip-route(8)."""
    if not route_metrics.is_text(getattr(step, field)):
        _reject(step, field, "metrics of a route, such as 'mtu lock 1400 hoplimit 64'")


def reject(step: Step, field: str, expected: str) -> None:
    """Raise InvalidStep for a field with a value that contradicts another field."""
    _reject(step, field, expected)


def regular_expression(step: Step, field: str) -> None:
    """Require a pattern of literal text, ``.*``, ``|``, ``^`` and ``$`` only."""
    value = getattr(step, field)
    if not isinstance(value, str) or len(value) > MAX_PATTERN or not patterns.is_pattern(value):
        expected = f"at most {MAX_PATTERN} characters of text, with '.*', '|', '^' and '$'"
        _reject(step, field, f"{expected} as the only operators")


def other(step: Step, field: str, name: str) -> None:
    """Require a name different from *name*."""
    if getattr(step, field) == name:
        _reject(step, field, "another device")


def same_family(step: Step, field: str, other: str) -> None:
    """Require an address of the same family (IPv4 or IPv6) as another field."""
    value = getattr(step, field)
    if value is not None and (":" in value) != (":" in getattr(step, other)):
        _reject(step, field, f"an address of the same family as {other}")


def process(step: Step, field: str) -> None:
    """Require the id of a process."""
    if not 0 < int(getattr(step, field)) <= MAX_PROCESS:
        _reject(step, field, "the id of a process")


def port_name(step: Step, field: str) -> None:
    """Require the name of a port of Open vSwitch, which may be longer than a device name."""
    value = getattr(step, field)
    if (
        not isinstance(value, str)
        or not 0 < len(value.encode(errors="replace")) <= MAX_PORT_NAME
        or not value.isprintable()
        or limits.has_reserved_character(value)
    ):
        _reject(
            step, field, f"a port's name of 1 to {MAX_PORT_NAME} bytes without '/', ':' or '%'"
        )


def bridge_name(step: Step, field: str) -> None:
    """Require the name of a bridge of Open vSwitch."""
    if not is_bridge_name(getattr(step, field)):
        _reject(step, field, BRIDGE_NAME)


def kernel_bridge_name(step: Step, field: str) -> None:
    """Require the name of a bridge of Open vSwitch with the kernel's datapath."""
    bridge_name(step, field)
    if is_long(getattr(step, field)):
        _reject(step, field, f"{DEVICE_NAME}; {USER_SPACE}")


def _is_pair(pair: object) -> bool:
    """Return whether a value is a key and a value of printable text."""
    if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004 - a key and a value
        return False
    key, value = pair
    return (
        isinstance(key, str)
        and isinstance(value, str)
        and key != ""
        # The empty text is printable.
        and key.isprintable()
        and value.isprintable()
    )


def pairs(step: Step, field: str) -> None:
    """Require a tuple of keys and values, for a map column of Open vSwitch."""
    value = getattr(step, field)
    if not isinstance(value, tuple) or not all(map(_is_pair, value)):
        _reject(step, field, "a list of pairs of printable text")
    if len({key for key, _ in value}) != len(value):
        _reject(step, field, "a list of pairs with distinct keys")


def beginning(step: Step, field: str, beginnings: tuple[str, ...]) -> None:
    """Require a text with a prefix of *beginnings*."""
    value = getattr(step, field)
    if not isinstance(value, str) or not value.startswith(beginnings):
        _reject(step, field, f"a name that begins with {' or '.join(beginnings)}")


def packed(step: Step, field: str, longest: int) -> None:
    """Require whole bytes as at most *longest* lower-case hexadecimal digits."""
    value = getattr(step, field)
    if (
        not isinstance(value, str)
        or len(value) > longest
        or not re.fullmatch("(?:[0-9a-f]{2})*", value)
    ):
        _reject(step, field, f"an even number of hexadecimal digits, at most {longest}")


def hexadecimal(step: Step, field: str, digits: int) -> None:
    """Require a text of *digits* lower-case hexadecimal digits."""
    value = getattr(step, field)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        _reject(step, field, f"{digits} hexadecimal digits")
