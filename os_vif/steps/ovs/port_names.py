# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What has the name of a port of Open vSwitch, where a step wants a port of another kind; and
which QoS rows of a port nobody else refers to.

A port that a plug makes has one Interface, and that has the name of the port. Source:
ovs-vswitchd.conf.db(5), columns ``interfaces`` of Port and ``type`` of Interface.
"""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.device_names import TRUNK_BRIDGE
from os_vif.host.ovsdb.connection import mapping, values
from os_vif.steps import validate
from os_vif.steps.ovs.rows import OvsStep, named, qos_users, ref, with_id
from os_vif.steps.plan import NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.host.ovsdb.connection import Row
    from os_vif.steps.ovs.ports import EnsureOvsPort
    from os_vif.steps.ovs.rows import Changes, Look, Query
    from os_vif.steps.plan import Difference

#: Types of an Interface that stands for the network device of its name. With ``afxdp``, which an
#: operator may have set, vswitchd opens the device in a faster way.
_DEVICE_TYPES = ("", "system", "afxdp", "afxdp-nonpmd")
#: What check expects of a port.
_A_DEVICE_S, OWN = "that of a network device", "a port with one of its own name"
#: How many ports are named that keep a bridge.
_SHOWN = 5
#: The beginning of the types that DPDK opens; they have most ``options`` in common.
_DPDK = "dpdk"


def is_of_type(found: str, wanted: str | None) -> bool:
    """Return whether an Interface has a type.

    :param wanted: empty for a network device; None for whichever type it has.
    """
    if wanted is None:
        return True
    if wanted in _DEVICE_TYPES:
        return found in _DEVICE_TYPES
    return found == wanted


def wrong_columns(look: Look, interface: Row, wanted: EnsureOvsPort) -> list[tuple[str, Any, Any]]:
    """Return what an Interface has in place of what it should have: attribute, found, wanted."""
    wrong: list[tuple[str, Any, Any]] = []
    for column in ("external_ids", "options"):
        has = mapping(interface[column])
        wrong += [
            (f"{column}:{key}", has.get(key, "missing"), value)
            for key, value in getattr(wanted, column)
            if has.get(key) != value
        ]
    if not is_of_type(interface["type"], wanted.type):
        wrong.append(("type", interface["type"] or "none", wanted.type or _A_DEVICE_S))
    asks = wanted.mtu_request is not None and look.has_column("Interface", "mtu_request")
    if asks and interface["mtu_request"] != wanted.mtu_request:
        request = values(interface["mtu_request"])
        wrong.append(("mtu_request", request[0] if request else "none", wanted.mtu_request))
    return wrong


def keeps_options(found: str, wanted: str | None) -> bool:
    """Return whether ``options`` of others have a meaning once an Interface has the type."""
    both = found.startswith(_DPDK) and (wanted or "").startswith(_DPDK)
    return both or is_of_type(found, wanted)


def other_port(look: Look, name: str) -> str | None:
    """Return in words what has a port's name and is no port of one Interface of that name."""
    port, interface = look.port(name), look.interface(name)
    if port is not None:
        members = values(port["interfaces"])
        if interface is not None and members == [ref(interface)]:
            return None
        rows = [row for member in members if (row := look.at("Interface", member)) is not None]
        names = ", ".join(sorted(row["name"] for row in rows)) or "none"
        return f"a port with the interfaces {names}"
    return None if interface is None else _member(look, interface)


def is_plain_port(look: Look, name: str) -> bool:
    """Return whether there is a port of one network device, which has the port's name."""
    interface = look.interface(name)
    if look.port(name) is None or interface is None or other_port(look, name) is not None:
        return False
    return is_of_type(interface["type"], "")


def _member(look: Look, interface: Row) -> str:
    """Return in words which port an Interface belongs to."""
    inside: Query = (
        "Port", "interfaces", "includes", ("set", (tuple(ref(interface)),)), ("_uuid", "name"),
    )  # fmt: skip
    port = look.one(inside)
    if port is None:
        return "an interface of a port that has gone"
    bridge = look.bridge_of(port)
    where = "" if bridge is None else f" in {bridge['name']}"
    return f"an interface of the port {port['name']}{where}"


def twins(look: Look, wanted: EnsureOvsPort) -> Iterator[Difference]:
    """Yield a difference for each other port that has the ``iface-id`` of a port."""
    interface_id = dict(wanted.external_ids).get("iface-id")
    if not interface_id:
        return
    for other in look.all(with_id(interface_id)):
        # Neutron gives it to a trunk's patch port too.
        of_trunk = other["type"] == "patch" and wanted.bridge.startswith(TRUNK_BRIDGE)
        if other["name"] != wanted.name and not of_trunk:
            attribute = f"external_ids:iface-id of {other['name']}"
            yield wanted.difference(attribute, interface_id, f"on {wanted.name} alone")


def why_left(look: Look, bridge: Row, removed: Sequence[list[str]]) -> str:
    """Return a sentence for a bridge that stays because of its ports.

    :param removed: ports that are taken out of the bridge.
    """
    rows = [look.at("Port", port) for port in values(bridge["ports"]) if port not in removed]
    names = sorted(
        row["name"] for row in rows if row is not None and row["name"] != bridge["name"]
    )
    used_by = [
        name
        for name in names
        if (interface := look.interface(name)) is None or interface["type"] != "patch"
    ]
    shown = used_by[:_SHOWN] + ([f"{len(used_by) - _SHOWN} more"] if len(used_by) > _SHOWN else [])
    return f"{bridge['name']} stays: {', '.join(shown)} {'is' if len(shown) == 1 else 'are'} in it"


def require_type(interface: Row, wanted: str | None) -> None:
    """Refuse a port that is no network device, where one is wanted.

    :raises OSError: ``EEXIST``; another type can be set, but whose port it is cannot be told.
    """
    found = interface["type"]
    if wanted in _DEVICE_TYPES and not is_of_type(found, wanted):
        raise refused(interface["name"], f"a port of type {found}, not of a network device")


def refused(name: str, reason: str) -> OSError:
    """Return the error for a port that is of another kind."""
    to_do = f"remove it (ovs-vsctl --with-iface del-port {quote(name)}), or use another name"
    return OSError(errno.EEXIST, f"{name} is {reason}; {to_do}")


def free_qos(look: Look, name: str, port: Row | None = None) -> list[Row]:
    """Return the QoS rows that were made for a port, and that no other port refers to.

    :param port: the port that goes with them; None if it is not there, or stays.
    """
    own = None if port is None else ref(port)
    return [
        row
        for row in look.qos_of(name)
        if all(ref(user) == own for user in look.all(qos_users(row)))
    ]


@dataclasses.dataclass(frozen=True)
class OvsPortName(NamedStep, OvsStep):
    """The name is free for the port that the hypervisor adds, or has it already.

    The port itself is the hypervisor's: nothing is made. A port of another kind is refused.
    """

    def validate(self) -> None:
        validate.port_name(self, "name")

    def commands(self) -> tuple[str, ...]:
        get = f"ovs-vsctl --if-exists get Interface {quote(self.name)} type"
        return (f"{get}  # the hypervisor adds the port; empty or system",)

    def reads(self, look: Look) -> Iterator[Query]:
        yield named("Port", self.name)
        yield named("Interface", self.name)

    def differences(self, look: Look) -> tuple[Difference, ...]:
        interface = look.interface(self.name)
        if (other := other_port(look, self.name)) is not None:
            return (self.difference("port", other, OWN),)
        if interface is None or is_of_type(interface["type"], ""):
            return ()
        return (self.difference("type", interface["type"], _A_DEVICE_S),)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if (other := other_port(look, self.name)) is not None:
            raise refused(self.name, f"{other}, not {OWN}")
        interface = look.interface(self.name)
        if interface is not None:
            require_type(interface, "")
        return ()
