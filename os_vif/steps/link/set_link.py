# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step for settings of a device, such as MTU, MAC address, state, master and alias."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host import limits
from os_vif.host.netlink import link_settings
from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.steps import validate
from os_vif.steps.ip import neighbours
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep
from os_vif.steps.rollback import roll_back_partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: The settable fields. The order is the order of the attributes in the message.
_FIELDS = ("master", "address", "promiscuous", "mtu", "alias", "group", "txqueuelen", "up")
_NO_ADDRESS = ("address", "00:00:00:00:00:00")
_SHOWN = {
    "mtu": "MTU",
    "address": "MAC address",
    "up": "state",
    "promiscuous": "promiscuity",
    "txqueuelen": "transmit queue length",
}


@dataclasses.dataclass(frozen=True)
class SetLink(NamedStep, KernelStep):
    """A device has the given attributes. None leaves an attribute unchanged.

    A single netlink message sets all attributes. If the kernel refuses, the attributes changed
    already are restored.

    :raises OSError: with ENODEV if the device, or the bridge *master*, is missing; with EBUSY if
        the device is in another bridge; with the kernel's errno if the kernel refuses a value.

    Equivalent to: ``ip link set dev NAME ...``
    """

    #: MTU in bytes.
    mtu: int | None = None
    #: Administrative state: True is up.
    up: bool | None = None
    #: MAC address, in lower case with colons.
    address: str | None = None
    #: Promiscuous mode (``IFF_PROMISC``).
    promiscuous: bool | None = None
    #: Name of the bridge with the device as a port; empty for no bridge. A device is not moved
    #: between bridges.
    master: str | None = None
    #: Alias (``IFLA_IFALIAS``), at most 255 bytes; empty for no alias.
    alias: str | None = None
    #: Group (``IFLA_GROUP``) for commands about many devices; 0 is the default group. A device that
    #: os-vif is creating has the group 0x6f737666, which no step sets.
    group: int | None = None
    #: Number of packets in the transmit queue (``IFLA_TXQLEN``).
    txqueuelen: int | None = None
    #: The step holds while the device is missing. For a device that the hypervisor creates, maybe
    #: later.
    missing_ok: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.master) if self.master else (self.name,)

    def validate(self) -> None:
        validate.device_name(self, "name")
        # The range of the message. The kernel checks the range of the device.
        validate.integer(self, "mtu", 1, 2**31 - 1, optional=True)
        validate.boolean(self, "up", optional=True)
        validate.mac(self, "address", optional=True)
        validate.boolean(self, "promiscuous", optional=True)
        if self.master != "":
            validate.device_name(self, "master", optional=True)
        validate.text(self, "alias", limits.MAX_ALIAS, optional=True)
        validate.integer(self, "group", 0, 2**31 - 1, optional=True)
        if self.group == CREATING_GROUP:
            validate.reject(self, "group", "a group other than the group of devices in creation")
        validate.integer(self, "txqueuelen", 0, 2**31 - 1, optional=True)
        validate.boolean(self, "missing_ok")

    def commands(self) -> tuple[str, ...]:
        words = []
        if self.master is not None:
            words.append(f"master {quote(self.master)}" if self.master else "nomaster")
        if self.address is not None:
            words.append(f"address {self.address}")
        if self.promiscuous is not None:
            words.append(f"promisc {_on(self.promiscuous)}")
        if self.mtu is not None:
            words.append(f"mtu {self.mtu}")
        if self.alias is not None:
            words.append(f"alias {quote(self.alias)}")
        if self.group is not None:
            words.append(f"group {self.group}")
        if self.txqueuelen is not None:
            words.append(f"txqueuelen {self.txqueuelen}")
        if self.up is not None:
            words.append(_state(self.up))
        condition = "  # if it is there" if self.missing_ok else ""
        return (f"ip link set dev {quote(self.name)} {' '.join(words)}{condition}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return self._missing(net)
        return tuple(
            self.difference(
                _SHOWN.get(field, field),
                _show_attribute(field, found),
                _show_attribute(field, getattr(self, field)),
            )
            for field, found in self._current(net, link).items()
        )

    def _missing(self, net: Netlink) -> tuple[Difference, ...]:
        found = net.missing(self.name)
        if self.missing_ok and found == "missing":
            return ()
        return (self.difference("device", found, "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if self.missing_ok and net.link(self.name) is None:
            return ()
        link = net.require(self.name)
        if self.group is not None and link.group == CREATING_GROUP:
            # The process that created the device was killed before the process could mark it.
            net.mark(link)
            link = net.require(self.name)
        before = self._current(net, link)
        if not before:
            return ()
        # A single message: a killed process leaves no partial change.
        values = {field: getattr(self, field) for field in before}
        # A device that is deleted before the roll back needs none.
        undo: tuple[KernelStep, ...] = (SetLink(self.name, missing_ok=True, **_settable(before)),)
        if "master" in before:
            bridge = self._bridge(net, before["master"])
            values["master"] = bridge.index if self.master else 0
            # A bridge without ports has no MAC address.
            undo += (SetLink(bridge.name, **_settable({"address": bridge.address})),)
        try:
            with self._keeping_neighbours(net, link, before):
                net.set(link, **values)
        except OSError as error:
            if error.errno == errno.ENODEV:
                # The device was deleted after the read, so no change is left to undo.
                if self.missing_ok:
                    return self.apply(net)
                raise OSError(
                    errno.ENODEV, f"the device {self.name} was deleted meanwhile"
                ) from None
            # The kernel may have applied some of the attributes.
            roll_back_partial(net, undo, error)
            raise
        return undo

    @contextlib.contextmanager
    def _keeping_neighbours(
        self, net: Netlink, link: Link, before: dict[str, Any]
    ) -> Iterator[None]:
        """Restore the neighbours of unmanaged bridges, whose MAC address may change."""
        changed = [self._bridge(net, before["master"])] if "master" in before else []
        changed += [link] if "address" in before else []
        with contextlib.ExitStack() as kept:
            for bridge in changed:
                if bridge.kind == "bridge" and not bridge.is_managed:
                    kept.enter_context(neighbours.restoring_neighbours(net, bridge))
            yield

    def _current(self, net: Netlink, link: Link) -> dict[str, Any]:
        """Return the current values of the fields that the step changes."""
        before = {}
        for field in _FIELDS:
            wanted = getattr(self, field)
            if wanted is not None and wanted != (found := _attribute(net, link, field)):
                before[field] = found
        return before

    def _bridge(self, net: Netlink, before: str) -> Link:
        """Return the bridge that the device joins or leaves."""
        if self.master and before:
            raise OSError(errno.EBUSY, f"{self.name} is in {before}, and not taken from there")
        return net.require(self.master or before)


def _settable(before: dict[str, Any]) -> dict[str, Any]:
    """Return the values that the kernel accepts: zeros are shown for a missing MAC address."""
    return {name: value for name, value in before.items() if (name, value) != _NO_ADDRESS}


def _attribute(net: Netlink, link: Link, field: str) -> Any:
    """Return the value of a field. The master and the transmit queue need a further request."""
    if field == "master":
        return name_at(net, link.master)
    if field == "txqueuelen":
        return link_settings.read_settings(net, link).txqueuelen
    value = getattr(link, field)
    return "" if value is None and field == "alias" else value


def name_at(net: Netlink, index: int | None) -> str:
    """Return the name of the device with an index; empty for no device."""
    if not index:
        return ""
    link = net.link_at(index)
    return f"index {index}" if link is None else link.name


def _show_attribute(field: str, value: Any) -> str:
    if field == "up":
        return _state(value)
    if field == "promiscuous":
        return _on(value)
    return str(value) if value not in (None, "") else "none"


def _on(value: bool) -> str:
    return "on" if value else "off"


def _state(up: bool) -> str:
    return "up" if up else "down"
