# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The process of ``os-vif cni-daemon``: start, signals and end."""

from __future__ import annotations

import logging
import os
import signal
from types import FrameType

from oslo_config import cfg

from os_vif.cni.call_handler import CallHandler
from os_vif.cni.cni_server import SOCKET_MODE, CniServer
from os_vif.host import listeners
from os_vif.operations import privileged_daemon
from os_vif.operations.pod_plugging import pod_operations

LOG = logging.getLogger(__name__)

#: ``[os_vif] owner`` of the VIFs, unless the configuration names another owner.
OWNER = "os-vif-cni"


def run(path: str) -> None:
    """Serve clients until SIGTERM or SIGINT. Running calls are finished.

    The plugins must be loaded. The privileged daemon is started before the socket exists.

    :param path: the path of the socket. A socket of systemd replaces the path.
    :raises OSError: if the process cannot listen, or the privileged daemon does not start.
    :raises ValueError: for a descriptor of systemd that is no listening socket.
    """
    if not cfg.CONF.os_vif.owner:
        cfg.CONF.set_default("owner", OWNER, group="os_vif")
    privileged_daemon.start([pod_operations.PRIVSEP_MODULE])
    listening = listeners.from_systemd()
    if not listening:
        listening = [listeners.at_path(path, SOCKET_MODE, -1)]
    server = CniServer(listening, CallHandler().answer)

    def stop(number: int, _: FrameType | None) -> None:
        LOG.info("Stopping after signal %d", number)
        server.stop()

    signal.set_wakeup_fd(server.wakeup_descriptor, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    LOG.info("Serving at %s as process %d", path, os.getpid())
    listeners.notify_systemd("READY=1")
    server.serve()
    listeners.notify_systemd("STOPPING=1")
