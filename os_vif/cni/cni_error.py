# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The errors that the CNI plugin returns to the runtime."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

from os_vif import exception
from os_vif.escape import printable_lines
from os_vif.host.netlink import pod_namespaces


class Code(enum.IntEnum):
    """The error codes: below 100 of the specification, from 100 on of os-vif."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    #: The runtime need not call DEL.
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    UNDECODABLE = 6
    INVALID_CONFIGURATION = 7
    TRY_AGAIN_LATER = 11
    #: STATUS: the plugin cannot serve ADD.
    NOT_AVAILABLE = 50
    #: STATUS: as 50, and existing pods may have limited connectivity.
    LIMITED_CONNECTIVITY = 51
    #: The VIF could not be plugged, unplugged or read.
    OPERATION_FAILED = 100
    #: CHECK: the host or the pod differs from the attachment.
    DIFFERS = 101
    #: The IPAM plugin failed without an error of the specification.
    DELEGATE_FAILED = 102
    #: The caller of the daemon is not root.
    NOT_PERMITTED = 103


class CniError(Exception):
    """An error for the runtime.

    :param code: a :class:`Code`, or the code of a delegated plugin.
    :param message: what failed, in a sentence.
    :param details: the cause, for the log of the runtime; may be empty.
    """

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(f"{message}: {details}" if details else message)
        self.code = int(code)
        self.message = message
        self.details = details

    def to_plain(self, version: str) -> dict[str, Any]:
        """Return the error as the specification writes errors.

        :param version: ``cniVersion`` of the configuration.
        """
        plain: dict[str, Any] = {
            "cniVersion": version,
            "code": self.code,
            "msg": printable_lines(self.message),
        }
        if self.details:
            plain["details"] = printable_lines(self.details)
        return plain


@contextlib.contextmanager
def raised_as_cni_error(message: str) -> Iterator[None]:
    """Raise an error of os-vif or of the host as an error for the runtime."""
    try:
        yield
    except exception.ExceptionBase as error:
        raise CniError(_code_of(error), message, str(error)) from error
    except OSError as error:
        raise CniError(Code.IO_FAILURE, message, error.strerror or str(error)) from error


def _code_of(error: BaseException) -> Code:
    """Return the code for an error of os-vif, from the error and its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, exception.OvsdbUnreachable | exception.OvsdbNoAnswer):
            return Code.TRY_AGAIN_LATER
        if isinstance(cause, exception.InvalidField | exception.NoMatchingPlugin):
            return Code.INVALID_CONFIGURATION
        if isinstance(cause, pod_namespaces.GoneError):
            return Code.UNKNOWN_CONTAINER
        cause = cause.__cause__
    return Code.OPERATION_FAILED
