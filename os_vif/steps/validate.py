# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the arguments of steps. Each raises InvalidStep, which names the field."""

from __future__ import annotations

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
#: ovs-vswitchd makes a file of a bridge's name, with ``.snoop`` at its end.
MAX_BRIDGE_NAME = MAX_FILE_NAME - len(".snoop")
#: ``XT_EXTENSION_MAXNAMELEN`` of linux/netfilter/x_tables.h, less the terminating zero byte.
_CHAIN = re.compile("[A-Za-z0-9_][A-Za-z0-9_-]{0,27}")
_PLAIN = re.compile("[A-Za-z0-9_.@+=][A-Za-z0-9_.@+=-]*")
#: Rules of one bridge that an undo restores.
MAX_RULES = 1024
#: The name of one VIF's device: a prefix of nova's or Neutron's, and the beginning of a UUID.
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
    """Return whether a bridge of Open vSwitch may have a name: the kernel's rules, but longer.

    In user space, the device of a bridge is a tap device, which ovs-vswitchd gives the first 15
    bytes of the name (``netdev_linux_construct_tap`` in lib/netdev-linux.c).
    """
    return is_device_name(name, MAX_BRIDGE_NAME)


def is_long(bridge: str) -> bool:
    """Return whether only a bridge in user space may have a name."""
    return len(bridge.encode(errors="replace")) > MAX_NAME


def _reject(step: Step, field: str, expected: str) -> None:
    raise exception.InvalidStep(
        step=type(step).__name__, field=field, found=getattr(step, field), expected=expected
    )


def device_name(step: Step, field: str, *, optional: bool = False, colon: bool = False) -> None:
    """Reject a field that is no name of a device.

    :param colon: accept colons, as the label of an address may have them.
    """
    value = getattr(step, field)
    if optional and value is None:
        return
    plain = value.replace(":", "-") if colon and isinstance(value, str) else value
    if not is_device_name(plain):
        _reject(step, field, DEVICE_NAME)


def plain_device_name(step: Step, field: str) -> None:
    """Reject a field that is no name of a device, or that a rule of iptables(8) must quote."""
    value = getattr(step, field)
    # iptables takes a last + for any text: the rules would match devices of others.
    if not is_device_name(value) or _PLAIN.fullmatch(value) is None or value.endswith("+"):
        expected = f"{DEVICE_NAME}, of letters, digits and . _ @ + = -, without + at the end"
        _reject(step, field, expected)


def mac(step: Step, field: str, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if not is_mac(value) and not (optional and value is None):
        _reject(step, field, "a MAC address in lower case, such as fa:16:3e:00:00:01")


def pci_address(step: Step, field: str, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if not is_pci_address(value) and not (optional and value is None):
        _reject(step, field, "a PCI address in lower case, such as 0000:03:00.2")


def matching(
    step: Step, field: str, pattern: re.Pattern[str], expected: str, *, optional: bool = False
) -> None:
    value = getattr(step, field)
    if optional and value is None:
        return
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        _reject(step, field, expected)


def text(step: Step, field: str, longest: int, *, optional: bool = False) -> None:
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
    _parsed(step, field, optional, ipaddress.ip_interface, "an IP address with a prefix length")


def ip_address(step: Step, field: str, *, optional: bool = False) -> None:
    _parsed(step, field, optional, ipaddress.ip_address, "an IP address")


def network(step: Step, field: str) -> None:
    _parsed(step, field, False, ipaddress.ip_network, "a network, such as 192.0.2.0/24")


def _parsed(
    step: Step, field: str, optional: bool, parse: Callable[[str], object], expected: str
) -> None:
    """Reject a text that *parse* refuses or spells differently: a value has one spelling."""
    value = getattr(step, field)
    if optional and value is None:
        return
    try:
        # A zone, which may have any text, is what the name of the device is for.
        good = isinstance(value, str) and "%" not in value and str(parse(value)) == value
    except ValueError:
        good = False
    if not good:
        _reject(step, field, expected)


def boolean(step: Step, field: str, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if not isinstance(value, bool) and not (optional and value is None):
        _reject(step, field, "true or false")


def integer(step: Step, field: str, low: int, high: int, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _reject(step, field, f"a number from {low} to {high}")


def one_of(step: Step, field: str, values: Container[Any], expected: str) -> None:
    value = getattr(step, field)
    if not isinstance(value, str) or value not in values:
        _reject(step, field, expected)


def file_name(step: Step, field: str) -> None:
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
    """Names of devices; ``all`` is one here, and a ``+`` at the end stands for any ending."""
    value = getattr(step, field)
    if not isinstance(value, tuple) or not all(
        name == "all" or (is_device_name(name) and _PLAIN.fullmatch(name)) for name in value
    ):
        _reject(step, field, f"a list of names, each {DEVICE_NAME}")


def integers(step: Step, field: str, low: int, high: int, most: int) -> None:
    """Reject a field that is no list of at most *most* numbers within the limits."""
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
    value = getattr(step, field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value & ~known:
        _reject(step, field, f"some of the bits of {known:#x}")


def chain(step: Step, field: str) -> None:
    """The name of a chain of iptables(8), such as ACCEPT."""
    value = getattr(step, field)
    if not isinstance(value, str) or _CHAIN.fullmatch(value) is None:
        _reject(step, field, "the name of a target or chain of iptables")


def rules(step: Step, field: str, bridge: str) -> None:
    """Reject rules outside the closed set that the daemon writes for a bridge."""
    value = getattr(step, field)
    if value is None:
        return
    if (
        not isinstance(value, tuple)
        or len(value) > MAX_RULES
        or not all(is_bridge_rule(rule, bridge) for rule in value)
    ):
        expected = f"at most {MAX_RULES} rules of three texts: the device that a packet comes from"
        _reject(
            step, field, f"{expected}, the one that it goes to, one of them {bridge}; a target"
        )


def is_bridge_rule(rule: object, bridge: str) -> bool:
    """Return whether a rule matches devices only, one of them the bridge, and has a target.

    A rule is a tuple of the devices that a packet comes from and goes to, of which one may be
    empty for any, and the name of a target.
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
    """Reject what is not metrics of a route in the words of ip-route(8)."""
    if not route_metrics.is_text(getattr(step, field)):
        _reject(step, field, "metrics of a route, such as 'mtu lock 1400 hoplimit 64'")


def reject(step: Step, field: str, expected: str) -> None:
    """Raise the error of a field whose value does not fit those of the other fields."""
    _reject(step, field, expected)


def regular_expression(step: Step, field: str) -> None:
    """Reject a pattern that has more than literal text, ``.*``, ``|``, ``^`` and ``$``."""
    value = getattr(step, field)
    if not isinstance(value, str) or len(value) > MAX_PATTERN or not patterns.is_pattern(value):
        expected = f"at most {MAX_PATTERN} characters of text, with '.*', '|', '^' and '$'"
        _reject(step, field, f"{expected} as the only operators")


def other(step: Step, field: str, name: str) -> None:
    if getattr(step, field) == name:
        _reject(step, field, "another device")


def same_family(step: Step, field: str, other: str) -> None:
    """Reject an address of IPv4 beside an address of IPv6, and the other way around."""
    value = getattr(step, field)
    if value is not None and (":" in value) != (":" in getattr(step, other)):
        _reject(step, field, f"an address of the same family as {other}")


def process(step: Step, field: str) -> None:
    if not 0 < int(getattr(step, field)) <= MAX_PROCESS:
        _reject(step, field, "the id of a process")


def port_name(step: Step, field: str) -> None:
    """The name of a port of Open vSwitch, which need not be a network device."""
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
    """Reject what no bridge of Open vSwitch may be called."""
    if not is_bridge_name(getattr(step, field)):
        _reject(step, field, BRIDGE_NAME)


def kernel_bridge_name(step: Step, field: str) -> None:
    """Reject what no bridge of the kernel's datapath may be called."""
    bridge_name(step, field)
    if is_long(getattr(step, field)):
        _reject(step, field, f"{DEVICE_NAME}; {USER_SPACE}")


def pairs(step: Step, field: str) -> None:
    """Keys and values of a column of Open vSwitch, each text."""
    value = getattr(step, field)
    if not isinstance(value, tuple) or not all(
        isinstance(pair, tuple)
        and len(pair) == 2  # noqa: PLR2004 - as a pair is
        and all(isinstance(text, str) and (text.isprintable() or not text) for text in pair)
        and pair[0]
        for pair in value
    ):
        _reject(step, field, "a list of pairs of printable text")
    if len({key for key, _ in value}) != len(value):
        _reject(step, field, "a list of pairs, each with another key")


def beginning(step: Step, field: str, beginnings: tuple[str, ...]) -> None:
    value = getattr(step, field)
    if not isinstance(value, str) or not value.startswith(beginnings):
        _reject(step, field, f"a name that begins with {' or '.join(beginnings)}")


def hexadecimal(step: Step, field: str, digits: int) -> None:
    """Check that a field is a string of so many lower-case hexadecimal digits.

    :raises os_vif.exception.InvalidStep: if not.
    """
    value = getattr(step, field)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        _reject(step, field, f"{digits} hexadecimal digits")
