# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The audit log: a JSON line for each change of the host, with the commands that undo the change.

``[os_vif] audit`` names a file, or ``journal`` for the systemd journal. The calling process writes
the lines, after each plug and unplug. A line that cannot be written is reported as an error of the
log, and does not fail the operation.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

from os_vif.engine import recording
from os_vif.operations.report import StepState, difference_to_dict, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.engine.step_records import StepRecord
    from os_vif.operations.report import Report

LOG = logging.getLogger(__name__)

#: The value of ``[os_vif] audit`` for the systemd journal.
JOURNAL = "journal"
#: The socket of the journal's native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
JOURNAL_SOCKET = "/run/systemd/journal/socket"
#: Permissions of a new file: the group may read.
_FILE_MODE = 0o640
#: Seconds to wait for a journal with a full queue.
_JOURNAL_TIMEOUT = 1.0
#: The states of steps that have changed the host.
_CHANGED = (StepState.CHANGED, StepState.UNDONE, StepState.LEFT)
#: The errors for a message that is too large for a datagram.
_TOO_LARGE = (errno.EMSGSIZE, errno.ENOBUFS)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class AuditLog:
    """An observer that writes a line for each change.

    :param target: path of the file, or ``journal``.
    :param journal_socket: path of the socket of the journal.
    """

    def __init__(self, target: str, journal_socket: str = JOURNAL_SOCKET) -> None:
        self._target = target
        self._journal_socket = journal_socket

    def __call__(self, report: Report) -> None:
        """Write the changes of an operation."""
        entries = list(audit_entries(report))
        if not entries:
            return
        try:
            if self._target == JOURNAL:
                self._send(entries)
            else:
                self._append(entries)
        except OSError as error:
            LOG.error(  # noqa: TRY400 - the reason is complete
                "Cannot write %d changes of %s %s to the audit log %s: %s",
                len(entries),
                report.kind,
                report.vif_id,
                self._target,
                error.strerror or error,
            )

    def _append(self, entries: list[dict[str, Any]]) -> None:
        """Append the lines to the file in one write, so that lines of processes do not mix.

        The file is opened each time: a log rotation may have renamed the file.
        """
        data = "".join(f"{_line(entry)}\n" for entry in entries).encode()
        # O_NONBLOCK: open() of a FIFO without a reader must fail, and must not wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self._target, flags | os.O_NOFOLLOW | os.O_NONBLOCK, _FILE_MODE)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            written = os.write(file, data)
        finally:
            os.close(file)
        if written < len(data):
            raise OSError(None, f"only {written} of {len(data)} bytes were written")

    def _send(self, entries: list[dict[str, Any]]) -> None:
        """Send a message for each change to the journal."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.settimeout(_JOURNAL_TIMEOUT)
            connection.connect(self._journal_socket)
            for entry in entries:
                data = _journal_message(entry)
                try:
                    connection.send(data)
                except OSError as error:
                    if error.errno not in _TOO_LARGE:
                        raise
                    _send_file(connection, data)


def audit_entries(report: Report) -> Iterator[dict[str, Any]]:
    """Yield an entry for each change of an operation, as plain data."""
    owner: str | None = None
    for record in report.steps:
        if record.state in _CHANGED:
            owner = owner if owner is not None else recording.owner()
            yield _entry(report, record, owner)


def _entry(report: Report, record: StepRecord, owner: str) -> dict[str, Any]:
    return {
        "time": time_text(record.started or report.started),
        "owner": owner,
        "process": os.getpid(),
        "operation": report.operation,
        "outcome": str(report.outcome),
        "vif": report.vif_id,
        "kind": report.kind,
        "plugin": report.plugin,
        "instance": {"uuid": report.instance_uuid, "name": report.instance_name},
        "step": record.name,
        "device": record.step.device,
        "state": str(record.state),
        "changes": [difference_to_dict(difference) for difference in record.differences],
        "commands": list(record.step.commands()),
        "undo": list(record.undo),
    }


def _line(entry: dict[str, Any]) -> str:
    """Return an entry as JSON on one line, in ASCII."""
    return json.dumps(entry, separators=(",", ":"))


def _journal_message(entry: dict[str, Any]) -> bytes:
    """Return a message of the journal's native protocol. No value contains a line feed."""
    fields = {
        "MESSAGE": _line(entry),
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "os-vif",
        "OS_VIF_OWNER": entry["owner"],
        "OS_VIF_OPERATION": entry["operation"],
        "OS_VIF_OUTCOME": entry["outcome"],
        "OS_VIF_ID": entry["vif"],
        "OS_VIF_INSTANCE": entry["instance"]["uuid"],
        "OS_VIF_STEP": entry["step"],
        "OS_VIF_DEVICE": entry["device"],
    }
    return "".join(f"{name}={_one_line(value)}\n" for name, value in fields.items()).encode()


def _one_line(value: str) -> str:
    """Return a text without line feeds and without characters that UTF-8 cannot encode."""
    return value.replace("\n", " ").encode("utf-8", "replace").decode()


def _send_file(connection: socket.socket, data: bytes) -> None:
    """Send a message that is too large for a datagram: as a sealed file in memory."""
    file = os.memfd_create("os-vif-audit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with contextlib.closing(os.fdopen(file, "wb", buffering=0)) as memory:
        memory.write(data)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory.fileno()]))
        connection.sendmsg([], [rights])
