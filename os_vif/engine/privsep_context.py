# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the context of a privileged daemon, exported as :class:`os_vif.privsep.Context`.

The class differs from ``PrivContext`` of oslo.privsep as follows:

- Starting a daemon fails within a bounded time (``privsep_channel``), and the error tells why.
- A forked child starts its own daemon.
- A daemon in another network namespace than the caller refuses every call: the caller would read
  one host, and the daemon would change another.
- The daemon restricts itself before the first call (``hardening``), imports the engine ahead of the
  first call, and runs several calls at a time.
- Options with an empty value have their default (``daemon_options``).
- A caller with uid 0 starts the daemon without sudo.
- With ``[os_vif] privileged_socket``, calls of the functions of this class go to the shared
  privileged daemon, and the process starts no daemon.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from oslo_config import cfg
from oslo_privsep import daemon, priv_context

from os_vif.engine.daemon_options import DaemonOptions
from os_vif.engine.failure import NotStartedError
from os_vif.engine.privsep_channel import Channel
from os_vif.engine.shared_calls import shared_client

if TYPE_CHECKING:
    from os_vif.steps.plugin_step import PluginStep
    from os_vif.steps.wire import Registry

EntryPoint = Callable[[Any], Any]
F = TypeVar("F", bound=Callable[..., Any])

#: Number of concurrent calls in a daemon, unless ``thread_pool_size`` is configured.
_THREADS = 8


class EntryPoints(NamedTuple):
    """The privileged functions that the engine calls in the module of a context."""

    #: Calls :func:`os_vif.engine.privileged.daemon.run`.
    run: EntryPoint
    #: Calls :func:`os_vif.engine.privileged.daemon.undo`.
    undo: EntryPoint
    #: Calls :func:`os_vif.engine.privileged.daemon.check`.
    check: EntryPoint


class OtherNamespaceError(NotStartedError):
    """The privileged daemon is in another network namespace than its caller."""

    what = "Calling the privileged daemon"


#: All contexts of the process, for a forked child to leave the daemons to the parent.
_contexts: weakref.WeakSet[Context] = weakref.WeakSet()


def as_entrypoint(function: F, module: str) -> F:
    """Make a function importable as a member of *module*, under the function's own name.

    oslo.privsep sends ``__module__`` and ``__name__`` of an entry point to the daemon, which
    imports the module and looks up the name. The module of a plugin's context must stay, because
    deployed sudoers files and rootwrap filters name the path, but the functions of all plugins are
    defined once, in :class:`Context`. No other place of os-vif changes the name of a function.

    The module must assign the entry point to the function's name.
    """
    function.__module__, function.__qualname__ = module, function.__name__
    return function


def _preload() -> None:
    """Import the modules of the daemon, and pyroute2, which takes the most time."""
    importlib.import_module("os_vif.engine.privileged.daemon")
    importlib.import_module("os_vif.host.netlink.messages").load()


class Context(priv_context.PrivContext):
    """The privileged daemon of a plugin. Create an instance at module level, named ``vif_plug``.

    For example::

        vif_plug = Context(
            "vif_plug_example",
            cfg_section="vif_plug_example_privileged",
            pypath=f"{__name__}.vif_plug",
            capabilities=[capabilities.CAP_NET_ADMIN],
        )
        run, undo, check = vif_plug.entry_points()
    """

    #: Whether this process is the daemon and has restricted itself.
    _restricted = False

    def __init__(
        self,
        prefix: str,
        *,
        cfg_section: str,
        program_capabilities: Callable[[], Collection[int]] = tuple,
        steps: Iterable[type[PluginStep]] = (),
        **more: Any,
    ) -> None:
        """Describe a daemon.

        :param prefix: the package of the module, such as ``vif_plug_example``.
        :param cfg_section: the option group of the daemon.
        :param program_capabilities: a function that returns the capabilities of the programs that
            the daemon runs, in addition to ``capabilities``. Called once, in the daemon.
        :param steps: the classes of steps of the plugin itself, which the daemon accepts beside the
            steps of os-vif. No other daemon accepts the steps.
        :param more: further parameters of ``oslo_privsep.priv_context.PrivContext``: ``pypath`` is
            the import path of the instance, and ``capabilities`` are those that the daemon keeps.
        :raises TypeError: for a class in *steps* that is no complete
            :class:`~os_vif.steps.plugin_step.PluginStep`, or has the name of another step.
        """
        super().__init__(prefix, cfg_section=cfg_section, **more)
        self._program_capabilities: Callable[[], Collection[int]] = program_capabilities
        #: The return value of ``program_capabilities``, in the daemon.
        self._added: Collection[int] = ()
        #: The accepted steps; None stands for the steps of os-vif, which are imported at first use.
        self._registry: Registry | None = None
        if classes := tuple(steps):
            from os_vif.steps import wire

            self._registry = wire.register(classes)
        #: The functions whose calls compare the network namespaces of caller and daemon.
        self._compared: set[Callable[..., Any]] = set()
        #: The functions by entry point. The attribute ``__wrapped__`` of an entry point, which
        #: oslo.privsep 3.4.0 sets, is missing in 3.12.0.
        self._functions: dict[Callable[..., Any], Callable[..., Any]] = {}
        #: The functions that the shared privileged daemon has.
        self._shared: set[Callable[..., Any]] = set()
        #: Returns the paths of ovsdb-server that only root can have configured; None without
        #: :meth:`ovsdb_entry_point`.
        self.ovsdb_sockets: Callable[[], Iterable[str]] | None = None
        #: The number of failed starts, and the reason of the last failure.
        self._failed_starts, self._start_error = 0, ""
        _contexts.add(self)
        # The threads of a daemon mostly wait for the kernel, not for a processor.
        threads = max(_THREADS, os.cpu_count() or 1)
        cfg.CONF.set_default("thread_pool_size", threads, group=cfg_section)
        defaults = {option.dest: option.default for option in priv_context.OPTS}
        #: The values of options that are set to an empty text.
        self._defaults = defaults | {
            "capabilities": list(more["capabilities"]), "thread_pool_size": threads
        }  # fmt: skip

    @property
    def conf(self) -> Any:
        """Return the options. The daemon also restricts itself when oslo.privsep reads them first.

        The daemon must drop the bounding set while the daemon has CAP_SETPCAP. oslo.privsep (3.4.0
        to 3.12.0) drops capabilities before calling any method of the context, but the constructor
        of ``Daemon`` reads the options of the context before.
        """
        caller = sys._getframe(1)  # noqa: SLF001 - no public function returns a frame
        if caller.f_code is daemon.Daemon.__init__.__code__ and not self._restricted:
            self._restricted = True
            from os_vif.engine.privileged import hardening

            self._added = self._program_capabilities()
            capabilities = frozenset(self._options.capabilities)
            if self._options.user or self._options.group:
                # The other user may be unable to read this Python's modules: import all now.
                _preload()
            hardening.restrict(capabilities, caller.f_locals["channel"])
            if self._options.user:
                # Another user than root may not be able to read the Python environment.
                _preload()
        return self._options

    @property
    def _options(self) -> DaemonOptions:
        return DaemonOptions(super().conf, self._defaults, self._added)

    def capabilities(self) -> frozenset[int]:
        """Return the capabilities that the daemon of the context keeps, also for its programs."""
        options = DaemonOptions(super().conf, self._defaults, self._program_capabilities())
        return frozenset(options.capabilities)

    def set_client_mode(self, enabled: bool) -> None:
        super().set_client_mode(enabled)
        if self._restricted:
            from os_vif.engine.privileged import hardening

            # oslo.privsep has set the umask to 0.
            os.umask(hardening.UMASK)
        if not enabled:
            caller = sys._getframe(1)  # noqa: SLF001 - no public function returns a frame
            is_loop = caller.f_code is daemon.Daemon.loop.__code__
            if is_loop:
                # This is the daemon: import the engine before the first call, and no more of
                # pyroute2 than the engine needs.
                from os_vif.host.netlink import pyroute2_import

                pyroute2_import.skip_package()
                _preload()
            from os_vif.engine.privsep_exchange import has_green_threads

            if is_loop and not has_green_threads():
                from os_vif.engine.privileged import call_loop

                call_loop.replace_channel(caller.f_locals["self"], self._options.thread_pool_size)

    @property
    def registry(self) -> Registry:
        """The classes of steps that the daemon accepts, by name."""
        if self._registry is None:
            from os_vif.steps import wire

            return wire.STEPS
        return self._registry

    def entry_points(self) -> EntryPoints:
        """Return the privileged functions ``run``, ``undo`` and ``check`` of the context.

        The module of the context must assign the functions to these names.
        """
        # The functions import the daemon's modules when called: only the daemon loads them.

        def run(messages: Any, netns: str | None = None) -> Any:
            from os_vif.engine.privileged import daemon as privileged

            self._require_netns(netns)
            return privileged.run(messages, self.registry)

        def undo(messages: Any, netns: str | None = None) -> Any:
            from os_vif.engine.privileged import daemon as privileged

            self._require_netns(netns)
            return privileged.undo(messages, self.registry)

        def check(messages: Any, netns: str | None = None) -> Any:
            from os_vif.engine.privileged import daemon as privileged

            self._require_netns(netns)
            return privileged.check(messages, self.registry)

        functions: tuple[Callable[..., Any], ...] = (run, undo, check)
        self._compared.update(functions)
        self._shared.update(functions)
        found = [self.entrypoint(self._as_own(function)) for function in functions]
        self._functions.update(zip(found, functions, strict=True))
        return EntryPoints(*found)

    def ovsdb_entry_point(self, configured: Callable[[], Iterable[str]]) -> Callable[..., Any]:
        """Return the privileged function ``connect``, which connects to ovsdb-server for a caller.

        The module of the context must assign the function to the name ``connect``.

        :param configured: returns the socket paths that only root can have configured. Called in
            the daemon.
        """

        def connect(path: str, name: str, token: str, user: int) -> dict[str, Any]:
            from os_vif.engine import ovsdb_socket

            return ovsdb_socket.hand_over(configured(), path, name, token, user)

        self.ovsdb_sockets = configured
        self._shared.add(connect)
        return self.entrypoint(self._as_own(connect))

    def probe_entry_point(self) -> Callable[[], Any]:
        """Return the privileged function ``probe``, which returns the status of the daemon.

        The module of the context must assign the function to the name ``probe``.
        """

        def probe() -> Any:
            from os_vif.engine.privileged import probe as privileged

            return privileged.read_status()

        self._shared.add(probe)
        return self.entrypoint(self._as_own(probe))

    def namespace_entry_point(self) -> Callable[[], str]:
        """Return the privileged function ``hold_namespaces``, for namespaces of pods.

        The function returns the address of ``os_vif.engine.privileged.namespace_holder``. The
        module of the context must assign the function to the name ``hold_namespaces``.
        """

        def hold_namespaces() -> Any:
            from os_vif.engine.privileged import namespace_holder

            return namespace_holder.address()

        self._shared.add(hold_namespaces)
        return self.entrypoint(self._as_own(hold_namespaces))

    def _as_own(self, function: F) -> F:
        """Make a function importable from the module of the context."""
        return as_entrypoint(function, self._module)

    @property
    def _module(self) -> str:
        """Return the import path of the module of the context."""
        return str(self.pypath).rpartition(".")[0]

    def start(self, method: Any = priv_context.Method.ROOTWRAP) -> None:
        """Start the daemon, unless the daemon is running.

        :raises NotStartedError: if the daemon does not start.
        """
        if method is not priv_context.Method.ROOTWRAP:
            super().start(method)
            return
        failed_starts = self._failed_starts
        with self.start_lock:
            # Another thread may have started the daemon first.
            if self.channel is not None:
                return
            if failed_starts != self._failed_starts:
                # Another thread has failed to start the daemon while this thread waited.
                raise NotStartedError(self._start_error)
            try:
                self.channel = Channel(context=self)
            except Exception as error:
                self._failed_starts += 1
                self._start_error = str(error) or type(error).__name__
                raise NotStartedError(self._start_error) from error

    def is_confirmed(self) -> bool:
        """Return whether the daemon is running in the network namespace of this thread."""
        if (shared := _shared_daemon()) is not None:
            return shared.is_confirmed(_read_netns())
        channel = self.channel
        if not isinstance(channel, Channel) or not channel.running:
            return False
        return channel.netns is not None and channel.netns == _read_netns()

    def _wrap(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.client_mode and func in self._shared and (shared := _shared_daemon()) is not None:
            netns = _read_netns() if func in self._compared else None
            return shared.call(self._module, func.__name__, netns, args)
        if not self.client_mode or func not in self._compared:
            return super()._wrap(func, *args, **kwargs)
        kwargs["netns"] = netns = _read_netns()
        answer = super()._wrap(func, *args, **kwargs)
        if isinstance(self.channel, Channel):
            self.channel.netns = netns
        return answer

    def begin_call(self, entry_point: Callable[..., Any], *args: Any) -> Callable[[], Any] | None:
        """Send a call of an entry point to the running private daemon, without waiting.

        :returns: a function that waits for the reply and returns the result of the call, or None
            for an error. None if no such daemon is known to run in the network namespace of this
            thread: an ordinary call then starts the daemon, or reports the error.
        """
        channel, function = self.channel, self._functions.get(entry_point)
        if (
            not self.client_mode
            or function is None
            or not isinstance(channel, Channel)
            or _shared_daemon() is not None
        ):
            return None
        netns = _read_netns()
        if netns is None or netns != channel.netns:
            return None
        name = f"{self._module}.{function.__name__}"
        try:
            return channel.begin_call(name, args, {"netns": netns})
        except OSError:
            return None

    def _require_netns(self, caller: str | None) -> None:
        """Raise OtherNamespaceError unless the caller is in the network namespace of this daemon."""
        from os_vif.host.netlink import rtnetlink

        if caller is None or caller == (own := rtnetlink.thread_socket().netns):
            return
        raise OtherNamespaceError(
            f"the daemon is in network namespace {own}, and its caller in {caller}; expected "
            "the same one. Plug from the namespace of the host, or have "
            f"[{self.cfg_section}]helper_command start the daemon in the caller's"
        )

    def leave_to_parent(self) -> None:
        """Leave the daemon to the parent of a forked child; the next call starts another daemon."""
        channel, self.channel = self.channel, None
        self.start_lock = threading.Lock()
        self._start_error = ""
        if isinstance(channel, daemon.ForkingClientChannel):
            channel.writer.writesock.close()

    def helper_command(self, sockpath: str) -> list[str]:
        """Return the command that starts the daemon.

        The option ``helper_command`` has precedence. The default of oslo.privsep is ``sudo
        privsep-helper``; a caller with uid 0 runs the ``privsep-helper`` of the same Python
        environment instead, because sudo may be missing and the helper may be outside ``PATH``.
        """
        command: list[str] = super().helper_command(sockpath)
        helper = pathlib.Path(sys.executable).with_name("privsep-helper")
        is_default = not self.conf.helper_command and command[:2] == ["sudo", "privsep-helper"]
        if is_default and os.geteuid() == 0 and helper.exists():
            return [str(helper), *command[2:]]
        return command


def _shared_daemon() -> shared_client.SharedDaemon | None:
    """Return the shared privileged daemon of ``[os_vif] privileged_socket``; None if not set."""
    try:
        options = cfg.CONF.os_vif
        path, timeout = options.privileged_socket, options.privileged_socket_timeout
    except cfg.NoSuchOptError:
        # A program that has not called os_vif.initialize(), such as privsep-helper.
        return None
    return shared_client.daemon_at(path, timeout) if path else None


def _read_netns() -> str | None:
    """Return an identifier of the network namespace of this thread, or None if unreadable."""
    from os_vif.host.netlink import rtnetlink

    try:
        with rtnetlink.opened() as net:
            return net.netns
    except OSError:
        # The daemon fails in the same way, and reports the error with the step.
        return None


def _leave_all_to_parent() -> None:
    for context in list(_contexts):
        context.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
