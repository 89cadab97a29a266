# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures: a shared privileged daemon, and a process that is configured to call the daemon."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from tests.support.shared_daemons import SharedDaemon, shared_daemon


@pytest.fixture
def daemon(namespace) -> Iterator[SharedDaemon]:
    """Provide a daemon that is not started yet, with the option of this process set.

    The private daemons of the process cannot be started: their helper fails.
    """
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    # A directory that other users can read: that of pytest is private.
    with tempfile.TemporaryDirectory() as name, shared_daemon(pathlib.Path(name)) as daemon:
        pathlib.Path(name).chmod(0o755)
        # The option is registered by the first initialize().
        os_vif.initialize()
        cfg.CONF.set_override("privileged_socket", daemon.path, group="os_vif")
        cfg.CONF.set_override("privileged_socket_timeout", 20.0, group="os_vif")
        os_vif.initialize(reset=True)
        yield daemon
        cfg.CONF.clear_override("privileged_socket", group="os_vif")
        cfg.CONF.clear_override("privileged_socket_timeout", group="os_vif")


@pytest.fixture
def running(daemon) -> SharedDaemon:
    """Provide a running daemon."""
    daemon.start()
    return daemon
