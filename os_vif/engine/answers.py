# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The answers of the privileged daemon, as plain data that msgpack can encode.

``kernel`` reads the answers of ``daemon``. A failure is data too, because oslo.privsep cannot carry
every exception.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from os_vif.engine.failure import EncodedFailure

#: A step, encoded by :func:`os_vif.steps.wire.encode`.
EncodedStep = list[Any]


class RunAnswer(TypedDict):
    """The answer of :func:`os_vif.engine.privileged.daemon.run`."""

    #: The undo steps of all changes, in the order of application, for a caller that fails later.
    undo: list[EncodedStep]
    #: For each step, the number of undo steps and the duration in seconds, for the log and reports.
    #: The number is 0 for a step that held already, and -1 for a failed step of a forward run.
    #: After an error: the steps before the failed step, which are rolled back.
    applied: list[tuple[int, float]]
    #: The first failed step; all changes are rolled back.
    error: EncodedFailure | None
    #: The failed steps of a forward run, which keeps the changes of the other steps.
    refused: list[EncodedFailure]


class UndoAnswer(TypedDict):
    """The answer of :func:`os_vif.engine.privileged.daemon.undo`."""

    #: The number of applied undo steps.
    undone: int
    #: Commands for the failed undo steps.
    not_undone: list[str]


class CheckAnswer(TypedDict):
    """The answer of :func:`os_vif.engine.privileged.daemon.check`."""

    #: The fields of each :class:`~os_vif.steps.plan.Difference`.
    differences: list[dict[str, Any]]
    #: The number of differences of each step; after an error, of the steps before the failed step.
    #: Missing in the answer of an older daemon.
    counts: NotRequired[list[int]]
    error: EncodedFailure | None


class ProbeAnswer(TypedDict):
    """The answer of :func:`os_vif.engine.privileged.probe.read_status`."""

    #: The release of os-vif in the daemon, and the folder of the package.
    version: str
    package: str
    #: The effective user id.
    user: int
    #: Numbers of the effective capabilities: linux/capability.h.
    capabilities: list[int]
    #: Device and inode of the network namespace.
    netns: list[int]
    #: Device and inode of the state directory, or of the parent of a missing state directory.
    state: list[int]
    state_exists: bool
    #: The type of the file system, such as ``tmpfs``.
    state_filesystem: str
    #: The reason why the daemon cannot write a record, or None.
    state_error: str | None
    #: The path of each program that steps run, or None.
    programs: dict[str, str | None]
