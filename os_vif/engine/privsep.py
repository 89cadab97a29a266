# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The context of a privileged daemon: that of oslo.privsep, as this library needs it.

- A daemon that cannot be started is an error within a bounded time (``privsep_channel``).
- A forked child starts a daemon of its own.
- A daemon in another network namespace than its caller refuses every call: its caller would look
  at one host, and the daemon would change another.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Any

from oslo_config import cfg
from oslo_privsep import daemon, priv_context

from os_vif.engine.daemon_options import DaemonOptions
from os_vif.engine.privsep_channel import Channel, NotStartedError

EntryPoint = Callable[[list[Any]], dict[str, Any]]

#: Calls that the daemon carries out at a time, unless ``thread_pool_size`` is configured.
_THREADS = 8


class OtherNamespaceError(NotStartedError):
    """The privileged daemon is in another network namespace than its caller."""

    what = "Calling the privileged daemon"


#: All contexts of the process: a forked child leaves the daemons to its parent.
_contexts: weakref.WeakSet[Context] = weakref.WeakSet()


class Context(priv_context.PrivContext):
    #: Whether this process is the daemon, and restricted as one.
    _restricted = False

    def __init__(
        self,
        prefix: str,
        *,
        cfg_section: str,
        of_programs: Callable[[], Collection[int]] = tuple,
        **more: Any,
    ) -> None:
        """Describe a daemon.

        :param of_programs: called in the daemon when it starts; returns the capabilities that the
            programs which it runs need in addition to its own.
        """
        super().__init__(prefix, cfg_section=cfg_section, **more)
        self._of_programs: Callable[[], Collection[int]] = of_programs
        #: What that returned, in the daemon.
        self._added: Collection[int] = ()
        #: The functions that compare the network namespaces of caller and daemon.
        self._compared: set[Callable[..., Any]] = set()
        #: Attempts to start a daemon, and why the last one failed.
        self._attempts, self._fault = 0, ""
        _contexts.add(self)
        # Its threads wait for the kernel most of the time, and not for a processor.
        threads = max(_THREADS, os.cpu_count() or 1)
        cfg.CONF.set_default("thread_pool_size", threads, group=cfg_section)
        defaults = {option.dest: option.default for option in priv_context.OPTS}
        #: The values of options that a file sets to nothing.
        self._defaults = defaults | {
            "capabilities": list(more["capabilities"]), "thread_pool_size": threads
        }  # fmt: skip

    @property
    def conf(self) -> Any:
        # The daemon drops its bounding set while it has CAP_SETPCAP. oslo.privsep (3.4.0 to 3.12.0)
        # calls no method of the context before it drops capabilities: set_client_mode() comes
        # after. The constructor of its Daemon reads the configuration of the context before.
        caller = sys._getframe(1)  # noqa: SLF001 - it is the way to read a frame
        if caller.f_code is daemon.Daemon.__init__.__code__ and not self._restricted:
            self._restricted = True
            from os_vif.engine import hardening

            self._added = self._of_programs()
            capabilities = frozenset(self._options.capabilities)
            hardening.restrict(capabilities, caller.f_locals["channel"])
        return self._options

    @property
    def _options(self) -> DaemonOptions:
        return DaemonOptions(super().conf, self._defaults, self._added)

    def set_client_mode(self, enabled: bool) -> None:
        super().set_client_mode(enabled)
        if self._restricted:
            from os_vif.engine import hardening

            # oslo.privsep has set 0.
            os.umask(hardening.UMASK)
        if not enabled:
            # This is the daemon. What it needs is there when the first call comes.
            name = "os_vif.engine.daemon"
            threading.Thread(target=importlib.import_module, args=(name,), daemon=True).start()

    def entry_points(self) -> tuple[EntryPoint, EntryPoint, EntryPoint]:
        """``run``, ``undo`` and ``look`` of :mod:`os_vif.engine.daemon`, as the daemon finds them.

        By those names, in the module that has the context: privsep looks them up there.
        """
        module = str(self.pypath).rpartition(".")[0]

        def entry_point(name: str) -> EntryPoint:
            def call(messages: list[Any], netns: str | None = None) -> dict[str, Any]:
                # What the daemon needs, the caller does not load.
                from os_vif.engine import daemon as privileged

                self._compare(netns)
                answer: dict[str, Any] = getattr(privileged, name)(messages)
                return answer

            call.__module__, call.__name__, call.__qualname__ = module, name, name
            self._compared.add(call)
            return self.entrypoint(call)

        return entry_point("run"), entry_point("undo"), entry_point("look")

    def ovsdb_entry_point(self, configured: Callable[[], Iterable[str]]) -> Callable[..., Any]:
        """Return the entry point that opens the socket of ovsdb-server for the caller.

        The module that has the context has it by the name ``connect``.

        :param configured: called in the daemon; the paths that only root can have configured.
        """

        def connect(path: str, name: str, token: str, user: int) -> dict[str, Any]:
            from os_vif.engine import ovsdb_socket

            return ovsdb_socket.hand_over(configured(), path, name, token, user)

        connect.__module__ = str(self.pypath).rpartition(".")[0]
        connect.__qualname__ = "connect"
        return self.entrypoint(connect)

    def start(self, method: Any = priv_context.Method.ROOTWRAP) -> None:
        if method is not priv_context.Method.ROOTWRAP:
            super().start(method)
            return
        attempts = self._attempts
        with self.start_lock:
            # Another thread may have started the daemon meanwhile.
            if self.channel is not None:
                return
            if attempts != self._attempts:
                # It has tried while this thread waited, and in vain.
                raise NotStartedError(self._fault)
            try:
                self.channel = Channel(context=self)
            except Exception as error:
                self._attempts += 1
                self._fault = str(error) or type(error).__name__
                raise NotStartedError(self._fault) from error

    def is_confirmed(self) -> bool:
        """Return whether the daemon is running in the network namespace of this thread."""
        channel = self.channel
        if not isinstance(channel, Channel) or not channel.running:
            return False
        return channel.netns is not None and channel.netns == _netns()

    def _wrap(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.client_mode or func not in self._compared:
            return super()._wrap(func, *args, **kwargs)
        kwargs["netns"] = netns = _netns()
        answer = super()._wrap(func, *args, **kwargs)
        if isinstance(self.channel, Channel):
            self.channel.netns = netns
        return answer

    def _compare(self, callers: str | None) -> None:
        """Refuse a call from another network namespace than the one of this daemon."""
        from os_vif.host.netlink import rtnetlink

        if callers is None or callers == (mine := rtnetlink.here().netns):
            return
        raise OtherNamespaceError(
            f"the daemon is in network namespace {mine}, and its caller in {callers}; expected "
            "the same one. Plug from the namespace of the host, or have "
            f"[{self.cfg_section}]helper_command start the daemon in the caller's"
        )

    def leave_to_parent(self) -> None:
        """Forget, in a forked child, the daemon of the parent; the next call starts another."""
        channel, self.channel = self.channel, None
        self.start_lock = threading.Lock()
        self._fault = ""
        if isinstance(channel, daemon.ForkingClientChannel):
            channel.writer.writesock.close()

    def helper_command(self, sockpath: str) -> list[str]:
        """How the daemon is started. What is configured stands.

        By default that is ``sudo privsep-helper``. Root needs no sudo, which may not be there,
        and the helper is the one beside this Python, which need not be on the path.
        """
        command: list[str] = super().helper_command(sockpath)
        beside = pathlib.Path(sys.executable).with_name("privsep-helper")
        by_default = not self.conf.helper_command and command[:2] == ["sudo", "privsep-helper"]
        if by_default and os.geteuid() == 0 and beside.exists():
            return [str(beside), *command[2:]]
        return command


def _netns() -> str | None:
    """Return what tells this thread's network namespace from others; None if that is unknown."""
    from os_vif.host.netlink import rtnetlink

    try:
        with rtnetlink.opened() as net:
            return net.netns
    except OSError:
        # The daemon finds the same, and says so with the step.
        return None


def _in_child() -> None:
    for context in list(_contexts):
        context.leave_to_parent()


os.register_at_fork(after_in_child=_in_child)
