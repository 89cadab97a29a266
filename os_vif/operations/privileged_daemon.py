# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The shared privileged daemon of a host: serve, start and probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from os_vif.engine.shared_calls.shared_client import Probe, SharedDaemonError, probe
from os_vif.host.state.directory import STATE

__all__ = ["Probe", "SharedDaemonError", "default_socket", "probe", "serve", "start"]


def default_socket() -> str:
    """Return the path of the socket, unless ``--listen`` names another path."""
    return STATE.file("privileged.sock")


def serve(
    options: Any,
    modules: Iterable[str],
    path: str,
    *,
    users: Iterable[str] = (),
    groups: Iterable[str] = (),
    mode: int | None = None,
) -> None:
    """Serve callers until SIGTERM or SIGINT.

    :param options: the option group ``[os_vif_privileged]``.
    :param modules: import paths of the privsep modules of the installed plugins.
    :param path: the path of the socket. A socket of systemd replaces the path.
    :param users: permitted users, besides the users of the options.
    :param groups: permitted groups, besides the groups of the options.
    :param mode: the file mode of the socket.
    :raises OSError: if the process cannot listen, or drop privileges.
    :raises ValueError: for an unusable user, group or limit.
    """
    # Imported late: a probe needs no server.
    from os_vif.engine.shared_daemon import daemon_limits, process

    defaults = daemon_limits.Limits()
    limits = defaults._replace(
        threads=options.threads or defaults.threads,
        calls_per_user=options.max_calls_per_user,
        connections=options.max_connections,
        connections_per_user=options.max_connections_per_user,
    )
    process.run(
        process.Settings(
            path,
            users=(*options.allowed_users, *users),
            groups=(*options.allowed_groups, *groups),
            mode=mode,
            limits=limits,
        ),
        modules,
    )


def start(modules: Iterable[str]) -> None:
    """Start the privileged daemons of privsep modules, or connect to the shared daemon.

    The modules of the first plug are imported, so that the first plug takes as long as a later plug.

    :param modules: import paths of privsep modules.
    :raises OSError: if a daemon does not start.
    """
    from os_vif import engine
    from os_vif.engine import privsep_module
    from os_vif.engine.failure import NotStartedError

    engine.import_all()
    for module in modules:
        try:
            privsep_module.probe(module)
        except NotStartedError as error:
            raise OSError(f"the privileged daemon of {module} does not start: {error}") from error
