# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The process of the shared privileged daemon: start, restrictions, signals.

The daemon keeps the capabilities of the private daemons of the plugins, cannot gain further ones,
and cannot gain privileges by running a program.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable
from types import FrameType
from typing import NamedTuple

from oslo_privsep import capabilities as privsep_capabilities

from os_vif import engine
from os_vif.engine.privileged import hardening
from os_vif.engine.shared_daemon import daemon_limits
from os_vif.engine.shared_daemon.daemon_limits import Limits
from os_vif.engine.shared_daemon.dispatch import Dispatcher
from os_vif.engine.shared_daemon.peers import AccessList
from os_vif.engine.shared_daemon.server import Server
from os_vif.host import listeners

LOG = logging.getLogger(__name__)

#: File modes of the socket: for a group, and for all users.
_GROUP_MODE, _ALL_MODE = 0o660, 0o666


class Settings(NamedTuple):
    """The settings of the daemon."""

    #: The path of the socket. A socket of systemd replaces the path.
    path: str
    #: Names or numbers of the users and groups with access, besides root.
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    #: The file mode of the socket; None selects the narrowest mode for users and groups.
    mode: int | None = None
    limits: Limits = Limits()


def run(settings: Settings, modules: Iterable[str]) -> None:
    """Serve callers until SIGTERM or SIGINT.

    :param modules: import paths of the privsep modules of the installed plugins.
    :raises OSError: if the process cannot listen, or cannot drop privileges.
    :raises ValueError: for a user, a group or a limit that cannot be used.
    """
    access = AccessList(settings.users, settings.groups)
    daemon_limits.require_descriptors(settings.limits.connections)
    dispatcher = Dispatcher(modules)
    engine.import_all()
    listening = listeners.from_systemd()
    if not listening:
        listening = [listeners.at_path(settings.path, *_mode_and_group(settings, access))]
    try:
        kept = dispatcher.capabilities
        _restrict(kept, {listener.sock.fileno() for listener in listening})
        names = sorted(_name(number) for number in privsep_capabilities.get_caps()[0])
        status = {
            "pid": os.getpid(),
            "netns": dispatcher.netns,
            "capabilities": names,
            "modules": dispatcher.modules,
        }
        server = Server(listening, dispatcher, access, status, settings.limits)  # type: ignore[arg-type]
    except BaseException:
        for listener in listening:
            listener.close()
        raise

    def stop(number: int, _: FrameType | None) -> None:
        LOG.info("Stopping after signal %d", number)
        server.stop()

    signal.set_wakeup_fd(server.wakeup_descriptor, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    LOG.info("Serving at %s with %s", settings.path, ", ".join(names) or "no capability")
    listeners.notify_systemd("READY=1")
    server.serve()
    listeners.notify_systemd("STOPPING=1")


def _mode_and_group(settings: Settings, access: AccessList) -> tuple[int, int]:
    """Return the file mode and the group of the socket.

    A file has a single group. For further groups or for users, all users may connect, and the
    daemon refuses users without access.
    """
    others = access.uids - {0}
    is_one_group = len(access.gids) == 1 and not others
    mode = settings.mode
    if mode is None:
        mode = _GROUP_MODE if is_one_group or not (others or access.gids) else _ALL_MODE
    return mode, next(iter(access.gids)) if is_one_group else -1


def _restrict(kept: frozenset[int], descriptors: set[int]) -> None:
    """Drop all privileges of the process but some capabilities.

    :raises PermissionError: if the process lacks one of the capabilities.
    """
    hardening.restrict_process(kept, descriptors)
    os.umask(hardening.UMASK)
    os.chdir("/")
    try:
        privsep_capabilities.drop_all_caps_except(kept, kept, [])
    except OSError as error:
        needed = ", ".join(sorted(map(_name, kept)))
        raise PermissionError(
            error.errno,
            f"the shared privileged daemon needs {needed}; start it as root ({error.strerror})",
        ) from error


def _name(number: int) -> str:
    """Return the name of a capability."""
    return str(privsep_capabilities.CAPS_BYVALUE.get(number, number))
