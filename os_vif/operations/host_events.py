# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Notifications about changes of the host, for :mod:`os_vif.operations.watch`.

The sources are one socket of the kernel for all network interfaces, and one connection to
ovsdb-server for the rows of bridges, ports and interfaces. A lost connection is opened again.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import os_vif
from os_vif import exception
from os_vif.device_names import VIF_DEVICES
from os_vif.host.netlink.link_monitor import LinkMonitor, Overrun
from os_vif.host.ovsdb.row_monitor import RowMonitor
from os_vif.plugins.ovs import OvsPlugin
from os_vif.steps.plan import Difference

if TYPE_CHECKING:
    from os_vif.host.netlink.link_monitor import LinkEvent
    from os_vif.steps.plan import OvsdbTarget

LOG = logging.getLogger("os_vif")

#: Seconds between two attempts to connect to Open vSwitch: after a lost connection, and on a host
#: whose Open vSwitch has never answered.
_RECONNECT, _ABSENT = 1.0, 30.0
#: Timeout in seconds of an attempt to connect.
_CONNECT_TIMEOUT = 2.0
#: Longest wait of poll(2) in seconds.
_LONGEST_WAIT = 86400.0


@dataclasses.dataclass
class Events:
    """The changes of the host since the last wait."""

    #: Whether a device or row of the name may belong to a new VIF, by name.
    names: dict[str, bool] = dataclasses.field(default_factory=dict)
    #: True if changes may be missing.
    is_incomplete: bool = False
    #: Changes of the connection to Open vSwitch: the fault; None for the end of a fault.
    faults: list[Difference | None] = dataclasses.field(default_factory=list)


def open_vswitch() -> OvsdbTarget | None:
    """Return the Open vSwitch of the plugin ``ovs``; None without the plugin.

    :raises os_vif.exception.InvalidField: if an option of ``[os_vif_ovs]`` has an unusable value.
    """
    try:
        plugin = os_vif._plugin("ovs")  # noqa: SLF001 - no public function returns a plugin
    except exception.NoMatchingPlugin:
        return None
    return plugin.switch() if isinstance(plugin, OvsPlugin) else None


class HostEvents:
    """The sources of notifications. A context manager. Not for several threads at once.

    :param target: returns the address of Open vSwitch; None without a plugin for Open vSwitch.
    :param output: a descriptor; the wait ends for ever when the reader closes the pipe.
    """

    def __init__(
        self, target: Callable[[], OvsdbTarget | None], output: int | None = None
    ) -> None:
        self._target = target
        self._links = LinkMonitor()
        self._rows: RowMonitor | None = None
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._output = output
        self._connect_at = -math.inf
        self._was_connected = self._is_lost = False
        self._is_new = True
        #: The fault of a connection that was lost outside of a wait.
        self._lost: Difference | None = None
        #: True after :meth:`stop`, or when the reader of the output has closed the pipe.
        self.is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._links.close()
        if self._rows is not None:
            self._rows.close()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def stop(self) -> None:
        """End the present and all later waits. Safe to call from a signal handler or thread."""
        os.write(self._stop_write, b"x")

    def wait(self, seconds: float) -> Events:
        """Wait for changes; return the changes. The first call reports that changes are missing.

        :param seconds: timeout; infinite waits without timeout.
        """
        events = Events(is_incomplete=self._is_new)
        self._is_new = False
        if self._lost is not None:
            events.faults.append(self._lost)
            self._lost = None
        if self._connect_at <= time.monotonic():
            self._connect(events)
        if self._connect_at < math.inf:
            seconds = min(seconds, self._connect_at - time.monotonic())
        if events.is_incomplete:
            # The caller reads the host; the notifications since the connection wait.
            return events
        rows = self._rows
        if rows is not None and rows.has_unread:
            seconds = 0
        ready = self._poll(seconds)
        if self._stop_read in ready or self._output in ready:
            self.is_stopped = True
        if self._links.fileno() in ready:
            self._read_links(events)
        if rows is not None and (rows.has_unread or rows.fileno() in ready):
            self._read_rows(rows, events)
        return events

    def is_port_locked(self, port: str) -> bool:
        """Return whether a plan is changing a port of Open vSwitch, as far as is known."""
        if self._rows is None:
            return False
        try:
            return self._rows.is_locked(port)
        except exception.OvsdbError as error:
            self._lost = self._close_rows(self._rows, str(error))
            return False

    def _poll(self, seconds: float) -> list[int]:
        """Return the ready descriptors after a wait."""
        poll = select.poll()
        poll.register(self._stop_read, select.POLLIN)
        poll.register(self._links.fileno(), select.POLLIN)
        if self._rows is not None:
            poll.register(self._rows.fileno(), select.POLLIN)
        if self._output is not None:
            # Only errors: the reader has closed the pipe.
            poll.register(self._output, 0)
        timeout = max(0.0, min(seconds, _LONGEST_WAIT))
        return [file for file, _ in poll.poll(math.ceil(timeout * 1000))]

    def _read_links(self, events: Events) -> None:
        try:
            for event in self._links.read():
                for name in event.names:
                    events.names[name] = events.names.get(name, False) or _may_be_vif(event)
        except Overrun:
            LOG.warning("The kernel has dropped notifications; all VIFs are checked")
            events.is_incomplete = True

    def _read_rows(self, rows: RowMonitor, events: Events) -> None:
        try:
            events.names.update(rows.read())
        except exception.OvsdbError as error:
            events.faults.append(self._close_rows(rows, str(error)))

    def _close_rows(self, rows: RowMonitor, reason: str) -> Difference:
        """Close a lost connection, and schedule another; return the fault."""
        rows.close()
        self._rows, self._is_lost = None, True
        self._connect_at = time.monotonic() + _RECONNECT / 10
        return _connection_fault(rows.connection, reason)

    def _connect(self, events: Events) -> None:
        """Open the connection to Open vSwitch; schedule another attempt after a failure."""
        try:
            target = self._target()
            if target is None:
                self._connect_at = math.inf
                return
            self._rows = RowMonitor(dataclasses.replace(target, timeout=_CONNECT_TIMEOUT))
        except exception.ExceptionBase as error:
            LOG.debug("Open vSwitch cannot be monitored: %s", error)
            pause = _RECONNECT if self._was_connected else _ABSENT
            self._connect_at = time.monotonic() + pause
            return
        self._connect_at = math.inf
        if self._is_lost:
            events.faults.append(None)
        self._was_connected, self._is_lost = True, False
        events.is_incomplete = True


def _may_be_vif(event: LinkEvent) -> bool:
    """Return whether a changed interface may belong to a VIF, by mark or name."""
    link = event.link
    return link is not None and (link.is_managed or link.name.startswith(VIF_DEVICES))


def _connection_fault(connection: str, reason: str) -> Difference:
    return Difference("Watch", connection, "connection to Open vSwitch", reason, "open")
