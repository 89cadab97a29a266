# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The answers to the messages of the clients: dispatch, locks and errors."""

from __future__ import annotations

import logging

from os_vif.cni import address_delegation, attachments, invocation, network_configuration
from os_vif.cni.attachment_locks import AttachmentLocks
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.cni_server import write_error, write_json
from os_vif.cni.host_status import HostStatus
from os_vif.cni.invocation import Command, Invocation
from os_vif.cni.network_configuration import VERSIONS
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink

LOG = logging.getLogger(__name__)


class CallHandler:
    """Answers messages of clients. Safe to call from several threads."""

    def __init__(self) -> None:
        self._locks = AttachmentLocks()
        self._status = HostStatus()

    def answer(self, message: bytes) -> tuple[int, bytes]:
        """Return the exit code and the bytes for standard output."""
        version = VERSIONS[-1]
        try:
            environment, raw = invocation.split_message(message)
            command = invocation.command_of(environment)
            if command is Command.VERSION:
                return 0, write_json(_supported_versions(raw))
            version = network_configuration.version_of(network_configuration.decode(raw))
            return 0, self._execute(invocation.parse(command, environment, raw))
        except CniError as error:
            return write_error(error, version)
        except Exception as error:  # a fault of os-vif, for which the runtime needs an answer
            LOG.exception("A call failed")
            text = described_error(error)
            return write_error(
                CniError(Code.OPERATION_FAILED, "os-vif cni-daemon failed", text), version
            )

    def _execute(self, call: Invocation) -> bytes:
        """Execute a command other than VERSION; return the bytes for standard output.

        :raises CniError: if the command fails.
        """
        if call.command is Command.STATUS:
            self._status.require_usable(call.configuration)
            address_delegation.forward(call)
            return b""
        if call.command is Command.GC:
            with self._locks.of_network(call.configuration.name):
                attachments.collect(call)
            return b""
        with (
            self._locks.of_container(call.configuration.name, call.container_id),
            rtnetlink.sharing_thread_socket(),
        ):
            if call.command is Command.ADD:
                return self._add(call)
            if call.command is Command.DEL:
                attachments.delete(call)
            else:
                attachments.check(call)
        return b""

    def _add(self, call: Invocation) -> bytes:
        """Execute ADD, and note a failure of the host.

        :raises CniError: if ADD fails.
        """
        try:
            return write_json(attachments.add(call))
        except CniError as error:
            self._status.note(call.configuration, error)
            raise


def _supported_versions(raw: bytes) -> dict[str, object]:
    """Return the answer to VERSION, in the version of the standard input, which may be empty."""
    version = VERSIONS[-1]
    if raw.strip():
        version = network_configuration.version_of(network_configuration.decode(raw))
        if version == network_configuration.DEFAULT_VERSION:
            version = VERSIONS[-1]
    return {"cniVersion": version, "supportedVersions": list(VERSIONS)}
