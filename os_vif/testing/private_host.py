# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A host for a test: a network namespace, an empty state directory, and privileged daemons."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_config import cfg

import os_vif
from os_vif.testing import (
    conformance_case,
    conformance_suite,
    host_snapshots,
    private_namespaces,
    quick_daemons,
)


class Host:
    """The host of a test. All methods act in the network namespace of the calling thread.

    :param in_process: True if the privileged functions run in this process.
    """

    #: The state directory of os-vif, empty at the start of the test.
    state_directory: pathlib.Path = private_namespaces.STATE_DIRECTORY

    def __init__(self, *, in_process: bool = False) -> None:
        self.in_process = in_process

    @staticmethod
    def run(command: str) -> None:
        """Run a shell command as root of the namespace; ``CalledProcessError`` for a failure."""
        private_namespaces.run(command)

    @staticmethod
    def ip(*arguments: str) -> list[dict[str, Any]]:
        """Return the parsed JSON output of the command ``ip``."""
        return host_snapshots.ip(*arguments)

    @staticmethod
    def configured(
        group: str, options: Mapping[str, object]
    ) -> contextlib.AbstractContextManager[None]:
        """Set options of a group of the configuration for the duration of a block."""
        return conformance_case.configured(group, options)

    @property
    def devices(self) -> set[str]:
        """The names of the network devices."""
        return {link["ifname"] for link in self.ip("link")}

    @staticmethod
    def snapshot() -> host_snapshots.State:
        """Return all state that a plug may change."""
        return host_snapshots.snapshot()

    @staticmethod
    def differences(before: host_snapshots.State) -> list[str]:
        """Return the differences between the host and a snapshot, once the kernel is idle.

        A recreated device is equal to the former device.
        """
        return host_snapshots.differences(
            host_snapshots.without_addresses(before), addresses=False
        )

    @property
    def records(self) -> set[str]:
        """The ids of the VIFs with a record in the state directory."""
        return {entry.vif.id for entry in os_vif.inventory() if entry.vif is not None}


@contextlib.contextmanager
def private_host(*, in_process: bool = False) -> Iterator[Host]:
    """Provide a host in a new network namespace for a block, and load the plugins.

    :param in_process: run the privileged functions in this process instead of a daemon.
    :raises os_vif.testing.MissingRightError: if a right is missing.
    """
    private_namespaces.require_rights()
    with (
        private_namespaces.private_namespace(),
        private_namespaces.private_state_directory(),
        private_process(in_process=in_process),
    ):
        yield Host(in_process=in_process)


@contextlib.contextmanager
def private_process(*, in_process: bool = False) -> Iterator[None]:
    """Load the plugins with default options, and provide private daemons for a block.

    The options of oslo.config have their defaults at the start of the block, and no file of the
    host is read.

    :param in_process: run the privileged functions in this process instead of a daemon.
    """
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize(reset=True)
    with _in_process() if in_process else conformance_suite.private_daemons():
        yield


@contextlib.contextmanager
def _in_process() -> Iterator[None]:
    """Run the privileged functions of all contexts in this process for a block."""
    quick_daemons.stop_daemons()
    used = quick_daemons.contexts()
    for context in used:
        context.set_client_mode(False)
    try:
        yield
    finally:
        for context in used:
            context.set_client_mode(True)
