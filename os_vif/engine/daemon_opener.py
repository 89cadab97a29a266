# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Opens unix sockets through the privileged daemon of a plugin."""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING

from os_vif.engine import privsep_module
from os_vif.engine.failure import NotStartedError
from os_vif.engine.ovsdb_socket import request_socket

if TYPE_CHECKING:
    import socket

    from os_vif.host.ovsdb.deadline import Deadline


@dataclasses.dataclass(frozen=True)
class DaemonOpener:
    """Opens unix sockets through the privileged daemon of a plugin."""

    #: Import path of the plugin's privsep module, with the entry point ``connect``.
    module: str

    def __call__(self, path: str, deadline: Deadline) -> socket.socket:
        """Return a socket that the daemon has connected to a path.

        :raises OSError: as :func:`os_vif.engine.ovsdb_socket.request_socket`, or if the daemon does not start.
        :raises TimeoutError: if the deadline passes.
        """
        try:
            return request_socket(privsep_module.load_ovsdb(self.module).connect, path, deadline)
        except NotStartedError as error:
            reason = f"this user may not open the socket, and the privileged daemon did not start: {error}"
            raise OSError(errno.EACCES, reason) from error
