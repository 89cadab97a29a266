# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of attachments in ``/run/os-vif``, for DEL and GC.

ADD writes the record before the first change of the host, and DEL deletes the record after the last
change, so that a DEL after a killed daemon unplugs the same VIF. The key is the network name,
the container id and the interface, as the specification recommends.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from typing import Self

from os_vif.escape import described_error
from os_vif.host.state.directory import STATE

LOG = logging.getLogger(__name__)

_PREFIX, _SUFFIX = "cni-", ".json"


@dataclasses.dataclass(frozen=True)
class AttachmentRecord:
    """An attachment: an interface of a pod in a network."""

    network: str
    container_id: str
    ifname: str
    #: The path of the network namespace at the ADD.
    netns: str
    #: The VIF and the instance, as documents of :func:`os_vif.serialization.dumps`.
    vif: str
    instance: str
    #: ``made`` for a VIF that the CNI plugin made, ``document`` for a VIF of the configuration.
    source: str = "made"
    #: The path of the device-info file; empty without one.
    device_info: str = ""
    #: The addresses of the host on the bridge, separated by blanks.
    bridge_addresses: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The network name, the container id and the interface."""
        return self.network, self.container_id, self.ifname

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the record of a file.

        :raises ValueError: for a text that is no record.
        """
        plain = json.loads(text)
        if not isinstance(plain, dict):
            raise TypeError("no JSON object")
        values = {field.name: plain.get(field.name, "") for field in dataclasses.fields(cls)}
        if not all(isinstance(value, str) for value in values.values()):
            raise TypeError("a value is no text")
        return cls(**values)


def write(record: AttachmentRecord) -> None:
    """Write the record of an attachment, and replace an earlier record.

    :raises OSError: if the file cannot be written.
    """
    STATE.make()
    STATE.write_atomically(_file_name(record.key), vars(record))


def read(key: tuple[str, str, str]) -> AttachmentRecord | None:
    """Return the record of an attachment, or None. Log a warning for an unusable record."""
    return _read(_file_name(key))


def remove(key: tuple[str, str, str]) -> None:
    """Delete the record of an attachment, if there is one."""
    STATE.remove(_file_name(key))


def read_all() -> tuple[AttachmentRecord, ...]:
    """Return the records of all attachments, sorted by key."""
    try:
        names = os.listdir(STATE.path)  # noqa: PTH208 - names alone
    except OSError:
        return ()
    listed = (name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX))
    found = (record for name in listed if (record := _read(name)) is not None)
    return tuple(sorted(found, key=lambda record: record.key))


def _file_name(key: tuple[str, str, str]) -> str:
    """Return the name of the file of a record. Container ids may be longer than a file name."""
    return f"{_PREFIX}{hashlib.sha256('/'.join(key).encode()).hexdigest()[:40]}{_SUFFIX}"


def _read(name: str) -> AttachmentRecord | None:
    try:
        return AttachmentRecord.parse(STATE.read(name))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        LOG.warning("%s cannot be used: %s", STATE.file(name), described_error(error))
        return None
