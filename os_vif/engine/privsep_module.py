# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Lookup of the privileged functions in the module that a plugin names in ``privsep_module``.

The plugin gives an import path because the module is imported late, and because the daemon imports
the same path, which deployed sudoers files name. This module is the only place of os-vif that finds
privileged functions by a string. The functions are those of
:meth:`os_vif.privsep.Context.entry_points`, which call :mod:`os_vif.engine.privileged.daemon`.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from os_vif import exception
from os_vif.engine.late_import import first_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.engine.answers import CheckAnswer, ProbeAnswer, RunAnswer, UndoAnswer
    from os_vif.engine.privsep_context import Context
    from os_vif.steps.wire import Registry


#: The functions of :class:`PrivsepModule`.
_ENTRY_POINTS = ("run", "undo", "check")


class PrivsepModule(Protocol):
    """The privileged functions of a module."""

    def run(self, messages: Any, /) -> RunAnswer:
        """Call :func:`os_vif.engine.privileged.daemon.run` in the daemon."""

    def undo(self, messages: Any, /) -> UndoAnswer:
        """Call :func:`os_vif.engine.privileged.daemon.undo` in the daemon."""

    def check(self, messages: Any, /) -> CheckAnswer:
        """Call :func:`os_vif.engine.privileged.daemon.check` in the daemon."""


class OvsdbModule(Protocol):
    """The privileged function of a module that opens the socket of ovsdb-server."""

    def connect(self, path: str, name: str, token: str, user: int, /) -> dict[str, Any]:
        """Call :func:`os_vif.engine.ovsdb_socket.hand_over` in the daemon."""


def load(path: str | None) -> PrivsepModule:
    """Return the module of an import path.

    :raises os_vif.exception.PlanNotSupported: if the path is None.
    """
    if path is None:
        raise exception.PlanNotSupported(
            "the plugin names no privsep_module, the module of the daemon that applies the step"
        )
    return cast("PrivsepModule", _import(path))


def load_ovsdb(path: str) -> OvsdbModule:
    """Return the module of an import path, for the function ``connect``."""
    return cast("OvsdbModule", _import(path))


def missing_entry_points(path: str) -> list[str]:
    """Return the names of the privileged functions of a plugin that a module lacks."""
    module = _import(path)
    return [name for name in _ENTRY_POINTS if not callable(getattr(module, name, None))]


def probe(path: str) -> ProbeAnswer | None:
    """Return the status of the daemon of a module, which is started unless running.

    :returns: None for a module without the function ``probe``; its daemon has answered a call.
    :raises os_vif.engine.privsep_channel.NotStartedError: if the daemon does not start.
    """
    function = getattr(_import(path), "probe", None)
    if function is None:
        load(path).check([])
        return None
    return cast("ProbeAnswer", function())


def find_context(path: str) -> Context | None:
    """Return the context of the module of an import path, or None."""
    return _context_of(load(path))


def is_confirmed(module: PrivsepModule) -> bool:
    """Return whether the daemon is known to run in the network namespace of this thread.

    Always true for a module without :class:`os_vif.privsep.Context`.
    """
    context = _context_of(module)
    return context is None or context.is_confirmed()


def begin_run(module: PrivsepModule, messages: Any) -> Callable[[], RunAnswer | None] | None:
    """Send a call of ``run()`` to the daemon of a module, without waiting for the answer.

    :returns: as :meth:`os_vif.engine.privsep_context.Context.begin_call`.
    """
    context = _context_of(module)
    return None if context is None else context.begin_call(module.run, messages)


def registry_of(module: PrivsepModule) -> Registry:
    """Return the classes of steps, by name, that the daemon of a module accepts."""
    from os_vif.steps import wire

    context = _context_of(module)
    return wire.STEPS if context is None else context.registry


def _context_of(module: PrivsepModule) -> Context | None:
    """Return the context of a module; None for a module without :class:`os_vif.privsep.Context`."""
    from os_vif.engine.privsep_context import Context

    # oslo.privsep sets the attribute on each entry point.
    context = getattr(module.check, "privsep_entrypoint", None)
    return context if isinstance(context, Context) else None


@functools.cache
def _import(path: str) -> object:
    with first_use:
        return importlib.import_module(path)
