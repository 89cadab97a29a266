# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a call of the shared privileged daemon with the functions of the private daemons.

A caller names the privsep module of a plugin. Only modules of installed plugins are accepted; no
module is imported for a caller.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from os_vif.engine import ovsdb_socket, privsep_module
from os_vif.engine.privileged import daemon as privileged
from os_vif.engine.privileged import namespace_holder, probe, undo_ledger
from os_vif.engine.privsep_context import Context
from os_vif.engine.shared_calls.shared_protocol import DENIED, MALFORMED, NAMESPACE
from os_vif.engine.shared_daemon.peers import Peer
from os_vif.escape import described_error, printable
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import record_writer

LOG = logging.getLogger(__name__)

#: Maximal number of characters of a text of a caller in a refusal.
_SHOWN = 200
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "run": privileged.run,
    "undo": privileged.undo,
    "check": privileged.check,
}
#: The arguments of ``connect``: path, name, token and user.
_CONNECT_ARGUMENTS = 4


class RefusedError(Exception):
    """A call that was not started.

    :param kind: the reason, of ``os_vif.engine.shared_calls.shared_protocol``.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Dispatcher:
    """The functions of the daemon.

    :param modules: import paths of the privsep modules of the installed plugins. A module without
        :class:`os_vif.privsep.Context` is left out, and logged.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self._contexts: dict[str, Context] = {}
        for path in sorted(set(modules)):
            context = privsep_module.find_context(path)
            if context is None:
                LOG.warning("%s has no os_vif.privsep.Context; its plugin is not served", path)
            else:
                self._contexts[path] = context
        self.netns = rtnetlink.thread_socket().netns

    @property
    def modules(self) -> list[str]:
        """Return the import paths of the modules that callers may name."""
        return list(self._contexts)

    @property
    def capabilities(self) -> frozenset[int]:
        """Return the capabilities that the daemons of all modules keep."""
        return frozenset(
            number for context in self._contexts.values() for number in context.capabilities()
        )

    @staticmethod
    def prepare_thread() -> None:
        """Open the netlink socket of a worker thread, before the first call of the thread."""
        rtnetlink.thread_socket()

    def prepare(self, peer: Peer, call: list[Any]) -> Callable[[], Any]:
        """Return the function that runs a call, and changes nothing before.

        :param call: the message of a caller.
        :raises RefusedError: if the daemon does not accept the call.
        """
        match call:
            case ["call", str(path), str(name), (str() | None) as netns, tuple(arguments)]:
                pass
            case _:
                raise RefusedError(MALFORMED, "the message is no call of this protocol")
        context = self._contexts.get(path)
        if context is None:
            raise RefusedError(
                DENIED,
                f"{_brief(path)} is not the privsep_module of an installed plugin; expected one of "
                f"{', '.join(self.modules)}. After the installation of a plugin, restart "
                "os-vif-privileged",
            )
        if name == "probe" and not arguments:
            return probe.read_status
        if name == "hold_namespaces" and not arguments:
            return namespace_holder.address
        if name == "connect":
            return self._prepare_connect(peer, context, arguments)
        function = _FUNCTIONS.get(name)
        if function is None or len(arguments) != 1:
            raise RefusedError(MALFORMED, f"there is no function {_brief(name)} of one argument")
        if netns is not None and netns != self.netns:
            raise RefusedError(
                NAMESPACE,
                f"the daemon is in network namespace {self.netns}, and its caller in "
                f"{_brief(netns)}; expected the same one. Run the caller in the network of the "
                "host, or name the socket of a daemon in the namespace of the caller in "
                "[os_vif]privileged_socket",
            )
        registry = context.registry

        def apply() -> Any:
            with undo_ledger.issued_for(peer.uid), record_writer.writing_for(peer.uid):
                return function(arguments[0], registry)

        return apply

    @staticmethod
    def _prepare_connect(
        peer: Peer, context: Context, arguments: tuple[Any, ...]
    ) -> Callable[[], Any]:
        """Return the function that opens the socket of ovsdb-server for a caller."""
        configured = context.ovsdb_sockets
        if configured is None or len(arguments) != _CONNECT_ARGUMENTS:
            raise RefusedError(MALFORMED, "the module has no function connect of four arguments")
        path, name, token, _ = arguments
        # The listener must belong to the user of the connection, not to a user that the call names.
        return lambda: ovsdb_socket.hand_over(configured(), path, name, token, peer.uid)


def describe_failure(error: Exception) -> str:
    """Return the text of an exception of a call, which no function of the daemon should raise."""
    return printable(described_error(error))


def _brief(text: str) -> str:
    """Return a text of a caller for a refusal."""
    return printable(text[:_SHOWN])
