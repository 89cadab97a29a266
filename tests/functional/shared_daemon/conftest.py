# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures: a shared privileged daemon, and the option for the test process as a caller."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from tests.support.shared_daemon.shared_daemons import SharedDaemon, shared_daemon


@pytest.fixture
def daemon(namespace) -> Iterator[SharedDaemon]:
    """Provide a shared daemon, not started yet, and set the option of the test process."""
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    # Other users cannot read the directory of pytest.
    with tempfile.TemporaryDirectory() as name, shared_daemon(pathlib.Path(name)) as daemon:
        pathlib.Path(name).chmod(0o755)
        # initialize() registers the option.
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
