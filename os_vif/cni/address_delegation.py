# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""IPAM plugins: the CNI plugin executes the plugin that ``ipam.type`` names, found in ``CNI_PATH``.

The plugin receives the environment and the configuration of the invocation without a change. If the
plugin does not know ``cniVersion`` of the configuration, the newest version that both know is
written instead: host-local 1.1.1 of Debian 12 does not know 1.1.0.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from os_vif.cni import attachment_result, delegate_process, ipam_result, network_configuration
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import Command, Invocation
from os_vif.cni.network_configuration import VERSIONS
from os_vif.escape import abbreviated

LOG = logging.getLogger(__name__)

#: Seconds for a plugin to end. A plugin that waits for a DHCP server needs many.
_TIMEOUT = 110.0
#: The newest common version by path, modification time and size of a plugin.
_common_versions: dict[tuple[str, int, int], str | None] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def allocating(invocation: Invocation) -> Iterator[Callable[[], dict[str, Any]]]:
    """Execute ADD of the IPAM plugin at the same time as the block.

    Yield a function that waits for the result, and returns the result: empty without an IPAM plugin.
    The function raises :class:`CniError` with the code of the plugin if the plugin fails, and for an
    unusable result. The caller executes DEL then. The plugin has ended after the block.

    :raises CniError: if the plugin cannot be started.
    """
    if invocation.configuration.ipam_type is None:
        yield dict
        return
    with _executing(invocation, Command.ADD) as finish:
        yield lambda: finish() or {}


@contextlib.contextmanager
def checking(invocation: Invocation) -> Iterator[Callable[[], object]]:
    """Execute CHECK of the IPAM plugin at the same time as the block.

    Yield a function that waits for the end of the plugin, and raises :class:`CniError` if the plugin
    fails or cannot be started. The plugin has ended after the block.
    """
    with contextlib.ExitStack() as stack:
        try:
            finish = stack.enter_context(_executing(invocation, Command.CHECK))
        except CniError as error:
            # Another error of the block has precedence.
            unstarted = error

            def finish() -> None:
                raise unstarted

        yield finish


@contextlib.contextmanager
def _executing(
    invocation: Invocation, command: Command
) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """Execute a command of the IPAM plugin at the same time as the block.

    Yield a function that waits for the result, and returns the result as :func:`_read_result`.

    :raises CniError: if the plugin cannot be started.
    """
    path = _find(str(invocation.configuration.ipam_type), invocation)
    raw = _known_configuration(path, invocation)
    with _started(path, command, invocation.environment, raw) as delegate:

        def finish() -> dict[str, Any] | None:
            return _read_result(path, command, invocation, raw, _wait(path, delegate))

        yield finish


def release(invocation: Invocation) -> None:
    """Execute DEL of the IPAM plugin.

    :raises CniError: with the code of the plugin if the plugin fails.
    """
    if invocation.configuration.ipam_type is not None:
        _execute(invocation, Command.DEL)


def forward(invocation: Invocation) -> None:
    """Execute GC or STATUS of the IPAM plugin, if the plugin knows the commands.

    :raises CniError: with the code of the plugin if the plugin fails.
    """
    name = invocation.configuration.ipam_type
    if name is None:
        return
    path = _find(name, invocation)
    if _newest_common_version(path, invocation) == VERSIONS[-1]:
        _execute(invocation, invocation.command)


def _execute(invocation: Invocation, command: Command) -> dict[str, Any] | None:
    """Execute a command of the IPAM plugin, and return the result.

    :raises CniError: if the plugin fails.
    """
    with _executing(invocation, command) as finish:
        return finish()


def _known_configuration(path: str, invocation: Invocation) -> bytes:
    """Return the configuration in the newest version that a plugin is known to know."""
    known = _common_versions.get(_identity(path))
    if known is not None and known != invocation.configuration.version:
        return _with_version(invocation, known)
    return invocation.raw


def _read_result(
    path: str, command: Command, invocation: Invocation, raw: bytes, ended: tuple[int, bytes]
) -> dict[str, Any] | None:
    """Return the result of an executed command; execute the command again in another version.

    :param raw: the configuration of the execution.
    :param ended: the exit code and the standard output.
    :raises CniError: if the plugin fails.
    """
    code, output = ended
    if code and _is_incompatible(output) and raw is invocation.raw:
        common = _newest_common_version(path, invocation)
        if common not in (None, invocation.configuration.version):
            raw = _with_version(invocation, str(common))
            code, output = _run(path, command, invocation.environment, raw)
    if code:
        raise _error(path, code, output)
    if command is not Command.ADD:
        return None
    result = _decode(path, output)
    ipam_result.require_usable(path, result)
    return result


def _find(name: str, invocation: Invocation) -> str:
    """Return the path of a plugin.

    :raises CniError: if no folder of CNI_PATH has an executable of the name.
    """
    for folder in invocation.plugin_folders:
        path = f"{folder}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 - on every ADD
            return path
    raise CniError(
        Code.INVALID_CONFIGURATION,
        f"the IPAM plugin {abbreviated(name, 60)} was not found",
        f"no executable of that name in CNI_PATH, {abbreviated(invocation.environment['CNI_PATH'])}",
    )


def _run(
    path: str, command: Command, environment: Mapping[str, str], raw: bytes
) -> tuple[int, bytes]:
    """Run a plugin, and return the exit code and the standard output.

    :raises CniError: if the plugin cannot be started, or does not end in time.
    """
    with _started(path, command, environment, raw) as delegate:
        return _wait(path, delegate)


@contextlib.contextmanager
def _started(
    path: str, command: Command, environment: Mapping[str, str], raw: bytes
) -> Iterator[delegate_process.Delegate]:
    """Run a plugin at the same time as the block. The plugin has ended after the block.

    :raises CniError: if the plugin cannot be started.
    """
    variables = {**environment, "CNI_COMMAND": str(command), "PATH": os.environ.get("PATH", "")}
    with contextlib.ExitStack() as stack:
        try:
            delegate = stack.enter_context(delegate_process.started(path, raw, variables))
        except OSError as error:
            raise CniError(
                Code.IO_FAILURE, f"{path} cannot be executed", error.strerror or str(error)
            ) from error
        try:
            yield delegate
        finally:
            # The DEL after a failed ADD must not run beside the ADD.
            with contextlib.suppress(TimeoutError):
                delegate.end(_TIMEOUT)


def _wait(path: str, delegate: delegate_process.Delegate) -> tuple[int, bytes]:
    """Wait for the end of a plugin; return the exit code and the standard output.

    :raises CniError: if the plugin does not end in time.
    """
    try:
        ended = delegate.wait(_TIMEOUT)
    except TimeoutError:
        raise CniError(
            Code.TRY_AGAIN_LATER, f"{path} did not end", f"within {_TIMEOUT:g} s"
        ) from None
    if ended.errors:
        LOG.info("%s: %s", path, abbreviated(ended.errors.decode(errors="replace"), 500))
    return ended.code, ended.output


def _newest_common_version(path: str, invocation: Invocation) -> str | None:
    """Return the newest version that a plugin and os-vif know; None if there is none."""
    identity = _identity(path)
    with _lock:
        if identity in _common_versions:
            return _common_versions[identity]
    plain = {"cniVersion": VERSIONS[0]}
    code, output = _run(path, Command.VERSION, invocation.environment, json.dumps(plain).encode())
    listed = [] if code else _decode(path, output).get("supportedVersions")
    known = [each for each in VERSIONS if isinstance(listed, list) and each in listed]
    common = known[-1] if known else None
    with _lock:
        _common_versions[identity] = common
    return common


def _identity(path: str) -> tuple[str, int, int]:
    """Return the path, modification time and size of a plugin, which change with an upgrade."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on every ADD
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


def _with_version(invocation: Invocation, version: str) -> bytes:
    """Return the configuration of an invocation with another version."""
    if network_configuration.is_at_least(version, invocation.configuration.version):
        return invocation.raw
    plain = {**invocation.configuration.plain, "cniVersion": version}
    if invocation.configuration.previous is not None:
        plain["prevResult"] = attachment_result.convert(invocation.configuration.previous, version)
    return json.dumps(plain).encode()


def _is_incompatible(output: bytes) -> bool:
    """Return whether an error of a plugin is about the version."""
    try:
        return bool(json.loads(output).get("code") == Code.INCOMPATIBLE_VERSION)
    except (ValueError, AttributeError):
        return False


def _decode(path: str, output: bytes) -> dict[str, Any]:
    """Return the decoded output of a plugin.

    :raises CniError: if the output is no JSON object.
    """
    try:
        plain = json.loads(output)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise CniError(
            Code.UNDECODABLE,
            f"{path} printed no JSON object",
            abbreviated(output.decode(errors="replace"), 200),
        )
    return plain


def _error(path: str, code: int, output: bytes) -> CniError:
    """Return the error of a failed plugin: the error that the plugin printed, if any."""
    try:
        plain = json.loads(output)
        return CniError(int(plain["code"]), str(plain["msg"]), str(plain.get("details") or ""))
    except (ValueError, TypeError, KeyError, RecursionError):
        text = abbreviated(output.decode(errors="replace"), 200)
        return CniError(
            Code.DELEGATE_FAILED, f"{path} failed", f"exit code {code}, standard output {text}"
        )
