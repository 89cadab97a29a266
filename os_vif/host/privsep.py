# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon's context: that of oslo.privsep, with two things mended."""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from oslo_config import cfg
from oslo_privsep import daemon, priv_context

EntryPoint = Callable[[list[Any]], dict[str, Any]]

#: Calls that the daemon carries out at a time, unless ``thread_pool_size`` is configured.
_THREADS = 8


class _Channel(daemon.RootwrapClientChannel):
    """A daemon that dies hangs nobody.

    A process that dies with a request unread resets the connection. In oslo.privsep (3.12 and
    before) that ends the thread that reads answers without a word, and callers wait for ever.
    """

    def send_recv(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().send_recv(*args, **kwargs)
        except OSError:
            # The next call starts a new daemon, even if the thread that reads has yet to notice.
            self.running = False
            raise

    def _reader_main(self, reader: Iterable[Any]) -> None:
        super()._reader_main(cast("Any", _until_reset(reader)))


def _until_reset(reader: Iterable[Any]) -> Iterator[Any]:
    """A connection that is reset has ended, as one that is closed."""
    try:
        yield from reader
    except ConnectionResetError:
        return


class NotStartedError(Exception):
    """There is no privileged daemon, so it has done nothing."""


class Context(priv_context.PrivContext):
    #: Whether this process is the daemon, and restricted as one.
    _restricted = False

    def __init__(self, prefix: str, *, cfg_section: str, **more: Any) -> None:
        super().__init__(prefix, cfg_section=cfg_section, **more)
        # Its threads wait for the kernel most of the time, and not for a processor.
        threads = max(_THREADS, os.cpu_count() or 1)
        cfg.CONF.set_default("thread_pool_size", threads, group=cfg_section)

    @property
    def conf(self) -> Any:
        # What the daemon is to give up, it gives up before its other capabilities go. oslo.privsep
        # has no hook there: its constructor reads the configuration of the context first.
        caller = sys._getframe(1)  # noqa: SLF001 - it is the way to read a frame
        if caller.f_code is daemon.Daemon.__init__.__code__ and not self._restricted:
            self._restricted = True
            from os_vif.host import hardening

            capabilities = frozenset(super().conf.capabilities)
            hardening.restrict(capabilities, caller.f_locals["channel"])
        return super().conf

    def set_client_mode(self, enabled: bool) -> None:
        super().set_client_mode(enabled)
        if self._restricted:
            from os_vif.host import hardening

            # oslo.privsep has set 0.
            os.umask(hardening.UMASK)
        if not enabled:
            # This is the daemon. What it needs is there when the first call comes.
            name = "os_vif.host.privileged"
            threading.Thread(target=importlib.import_module, args=(name,), daemon=True).start()

    def entry_points(self) -> tuple[EntryPoint, EntryPoint, EntryPoint]:
        """``run``, ``undo`` and ``look`` of :mod:`os_vif.host.privileged`, as the daemon finds them.

        By those names, in the module that has the context: privsep looks them up there.
        """
        module = str(self.pypath).rpartition(".")[0]

        def entry_point(name: str) -> EntryPoint:
            def call(messages: list[Any]) -> dict[str, Any]:
                # What the daemon needs, the caller does not load.
                from os_vif.host import privileged

                answer: dict[str, Any] = getattr(privileged, name)(messages)
                return answer

            call.__module__, call.__name__, call.__qualname__ = module, name, name
            return self.entrypoint(call)

        return entry_point("run"), entry_point("undo"), entry_point("look")

    def start(self, method: Any = priv_context.Method.ROOTWRAP) -> None:
        if method is not priv_context.Method.ROOTWRAP:
            super().start(method)
            return
        with self.start_lock:
            # Another thread may have been faster.
            if self.channel is None:
                try:
                    self.channel = _Channel(context=self)
                except Exception as error:
                    raise NotStartedError(str(error) or type(error).__name__) from error

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
