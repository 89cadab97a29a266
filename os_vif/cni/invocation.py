# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An invocation of the CNI plugin: the environment and the standard input, as sent to the daemon.

A message of the client is ``CNI_COMMAND``, ``CNI_CONTAINERID``, ``CNI_NETNS``, ``CNI_IFNAME``,
``CNI_ARGS`` and ``CNI_PATH`` as ``NAME=value``, each followed by a NUL, and then the standard input
without a change. A variable that is not set has an empty value.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from os_vif.cni import network_configuration
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.network_configuration import NetworkConfiguration
from os_vif.escape import abbreviated
from os_vif.host import limits

#: The variables, in the order of a message.
VARIABLES = (
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
)
#: Bytes of a message that the daemon accepts.
MAX_MESSAGE = 4 << 20
#: Bytes within which the variable of each known command ends.
_MAX_COMMAND = 32


class Command(enum.StrEnum):
    """A command of the specification."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


#: Required variables of each command, besides CNI_COMMAND.
_REQUIRED = {
    Command.ADD: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.DEL: ("CNI_CONTAINERID", "CNI_IFNAME"),
    Command.CHECK: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.GC: ("CNI_PATH",),
    Command.STATUS: (),
    Command.VERSION: (),
}
#: The version of the specification that introduced a command.
_SINCE = {Command.CHECK: "0.4.0", Command.GC: "1.1.0", Command.STATUS: "1.1.0"}


@dataclasses.dataclass(frozen=True)
class Invocation:
    """A validated invocation of ADD, DEL, CHECK, GC or STATUS."""

    command: Command
    #: The variables of the client.
    environment: Mapping[str, str]
    #: The standard input, which a delegated plugin receives without a change.
    raw: bytes
    configuration: NetworkConfiguration

    @property
    def container_id(self) -> str:
        """``CNI_CONTAINERID``."""
        return self.environment["CNI_CONTAINERID"]

    @property
    def netns(self) -> str:
        """``CNI_NETNS``; empty for a DEL after the end of the namespace."""
        return self.environment["CNI_NETNS"]

    @property
    def ifname(self) -> str:
        """``CNI_IFNAME``."""
        return self.environment["CNI_IFNAME"]

    @property
    def plugin_folders(self) -> tuple[str, ...]:
        """The folders of ``CNI_PATH``."""
        return tuple(filter(None, self.environment["CNI_PATH"].split(":")))

    @property
    def pod_arguments(self) -> Mapping[str, str]:
        """The pairs of ``CNI_ARGS``, such as ``K8S_POD_NAME``."""
        pairs = (part.partition("=") for part in self.environment["CNI_ARGS"].split(";") if part)
        return {name: value for name, _, value in pairs}


def command_text(message: bytes) -> str:
    """Return the value of CNI_COMMAND of a message of the client, unchecked; empty without one."""
    variable, _, _ = message[:_MAX_COMMAND].partition(b"\0")
    name, _, value = variable.partition(b"=")
    return value.decode(errors="replace") if name == b"CNI_COMMAND" else ""


def split_message(message: bytes) -> tuple[dict[str, str], bytes]:
    """Return the variables and the standard input of a message of the client.

    :raises CniError: for a malformed message.
    """
    parts = message.split(b"\0", len(VARIABLES))
    if len(parts) != len(VARIABLES) + 1:
        raise CniError(Code.IO_FAILURE, "the message of os-vif-cni is malformed")
    environment = {}
    for name, part in zip(VARIABLES, parts, strict=False):
        found, _, value = part.decode(errors="surrogateescape").partition("=")
        if found != name:
            raise CniError(
                Code.IO_FAILURE, "the message of os-vif-cni is malformed", f"{name} is missing"
            )
        environment[name] = value
    return environment, parts[-1]


def command_of(environment: Mapping[str, str]) -> Command:
    """Return the command of an invocation.

    :raises CniError: for a missing or unknown command.
    """
    text = environment["CNI_COMMAND"]
    try:
        return Command(text)
    except ValueError:
        found = abbreviated(text, 40) if text else "not set"
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "invalid CNI_COMMAND",
            f"CNI_COMMAND is {found}; expected {', '.join(Command)}",
        ) from None


def parse(command: Command, environment: Mapping[str, str], raw: bytes) -> Invocation:
    """Return a validated invocation.

    :raises CniError: for an invalid environment or configuration.
    """
    configuration = network_configuration.parse(raw)
    since = _SINCE.get(command)
    if since and not network_configuration.is_at_least(configuration.version, since):
        raise CniError(
            Code.INCOMPATIBLE_VERSION,
            f"the configuration does not permit {command}",
            f"cniVersion is {configuration.version}; {command} needs {since}",
        )
    missing = [name for name in _REQUIRED[command] if not environment[name]]
    if missing:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "required environment variables are missing",
            f"{command} needs {', '.join(missing)}",
        )
    if "CNI_CONTAINERID" in _REQUIRED[command]:
        _require_container_id(environment["CNI_CONTAINERID"])
        if command is not Command.DEL:
            # DEL of what cannot exist is no error.
            _require_interface(environment["CNI_IFNAME"])
    if command is Command.CHECK and configuration.previous is None:
        raise network_configuration.invalid_field(
            "prevResult", "missing", "the result of the ADD of the container"
        )
    return Invocation(command, environment, raw, configuration)


def _require_container_id(value: str) -> None:
    """Check a container id.

    :raises CniError: for an id with other characters than the specification permits.
    """
    if not network_configuration.IDENTIFIER.fullmatch(value):
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "invalid CNI_CONTAINERID",
            f"CNI_CONTAINERID is {abbreviated(value, 80)}; expected letters, digits, '_', '.' and '-'",
        )


def is_interface_name(value: str) -> bool:
    """Return whether an interface of a pod can have a name. ``lo`` exists in each namespace."""
    return limits.is_device_name(value) and value != "lo"


def _require_interface(value: str) -> None:
    """Check a name of an interface.

    :raises CniError: for a name that no interface of a pod can have.
    """
    if not is_interface_name(value):
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "invalid CNI_IFNAME",
            f"CNI_IFNAME is {abbreviated(value, 80)}; expected at most {limits.MAX_NAME} bytes without "
            "'/', ':', '%' and blanks, other than lo, all and default",
        )
