# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The state directory ``/run/os-vif``, which holds the locks and records of os-vif.

Only root writes the directory; all users may read the records. The kernel mounts a tmpfs at
``/run``, so the files end with a reboot, as the devices do.

All modules use one object, :data:`STATE`: setting ``STATE.path`` redirects every file. Records are
replaced atomically by rename(2). No fsync(2) is needed: a tmpfs does not survive a power loss, so a
record is complete or gone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Mode of a record: all users may read which VIFs use a device.
_RECORD_MODE = 0o644


class StateDirectory:
    """A directory of locks and records. Callers name files without a directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        #: The path of the directory. Tests set ``path`` to redirect all files.
        self.path = pathlib.Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def file(self, name: str) -> str:
        """Return the path of a file in the directory."""
        # A text, not a Path: joining paths is slow, and every plug asks for several.
        return f"{self.path}/{name}"

    def make(self) -> None:
        """Create the directory, readable by all users regardless of the umask."""
        try:
            self.path.mkdir(mode=0o755)
        except FileExistsError:
            return
        self.path.chmod(0o755)

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        :raises FileNotFoundError: if the file does not exist.
        """
        with open(self.file(name), "rb", buffering=0) as file:  # noqa: PTH123 - on every plug
            return file.read()

    def write_atomically(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a record by another one, or raise and keep the old content.

        The directory must exist: the lock on the device of the record has created the directory.

        :raises OSError: if the file cannot be written, such as ``ENOSPC``.
        """
        path, temporary = self.file(name), self._temporary(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(temporary, flags, _RECORD_MODE)
        try:
            try:
                # The umask of the process may be narrower.
                os.fchmod(file, _RECORD_MODE)
                _write_all(file, json.dumps(content).encode())
            finally:
                os.close(file)
            os.replace(temporary, path)  # noqa: PTH105 - on every first plug
        except OSError as error:
            # The incomplete file takes space that the next record needs.
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            reason = f"cannot write {path}: {error.strerror}; the old content is kept"
            raise OSError(error.errno, reason) from error

    def exists(self, name: str) -> bool:
        """Return whether a file exists and can be reached."""
        return os.access(self.file(name), os.F_OK)

    def remove(self, name: str) -> None:
        """Delete a record, and the incomplete file of a killed :meth:`write_atomically`."""
        _unlink(self.file(name))
        self.discard_incomplete(name)

    def is_incomplete(self, name: str) -> bool:
        """Return whether a process was killed in :meth:`write_atomically` for a record.

        The lock on the device of the record must be held: another process may be writing.
        """
        return os.path.lexists(self._temporary(name))

    def discard_incomplete(self, name: str) -> None:
        """Delete the incomplete file of a killed :meth:`write_atomically`.

        The lock on the device of the record must be held.
        """
        _unlink(self._temporary(name))

    def _temporary(self, name: str) -> str:
        return f"{self.path}/{name}.new"


#: The state directory of this host.
STATE = StateDirectory("/run/os-vif")


def _unlink(path: str) -> None:
    """Delete a file, if the file exists. A Path would intern each name for ever."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - see above


def _write_all(file: int, data: bytes) -> None:
    """Write all bytes: ``write(2)`` writes a part when the file system is nearly full."""
    rest = memoryview(data)
    while rest:
        written = os.write(file, rest)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]
