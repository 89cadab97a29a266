# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the CNI plugin: the daemon in a thread, and network namespaces for pods."""

from __future__ import annotations

import contextlib
import itertools
import os

import pytest
from oslo_config import cfg

from os_vif.cni.call_handler import CallHandler
from os_vif.cni.cni_process import OWNER
from tests.support import cni
from tests.support.cni import c_client, client

# Fixtures.
__all__ = ["c_client", "client"]

_numbers = itertools.count()


@pytest.fixture
def cni_daemon(daemon, tmp_path):
    """Provide the socket of a daemon in a thread of the tests."""
    cfg.CONF.set_override("owner", OWNER, group="os_vif")
    path = tmp_path / "cni.sock"
    with cni.serving(path, CallHandler().answer):
        yield path
    cfg.CONF.clear_override("owner", group="os_vif")


@pytest.fixture
def pods():
    """Return a function that creates a network namespace and returns the path."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(
            cni.pod_namespace(f"os-vif-cni-{os.getpid()}-{next(_numbers)}")
        )


@pytest.fixture
def runtime(client, cni_daemon, pods, tmp_path) -> cni.Runtime:
    """Return a runtime with a pod, for each client."""
    return cni.Runtime(client, cni_daemon, netns=pods())


@pytest.fixture
def quick_runtime(c_client, cni_daemon, pods) -> cni.Runtime:
    """Return a runtime with a pod and the client in C."""
    return cni.Runtime(c_client, cni_daemon, netns=pods())


@pytest.fixture
def network(tmp_path):
    """Return a configuration with host-local, whose state is a folder of the test."""
    cni.require_plugins("host-local")
    return {
        "cniVersion": "1.0.0",
        "name": "net",
        "type": "os-vif-cni",
        "bridge": "br-cni",
        "mtu": 1400,
        "ipam": {
            "type": "host-local",
            "dataDir": str(tmp_path / "host-local"),
            "ranges": [[{"subnet": "10.77.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }


@pytest.fixture
def allocated(tmp_path):
    """Return a function for the list of the allocated addresses of host-local."""

    def read(name="net"):
        folder = tmp_path / "host-local" / name
        if not folder.exists():
            return []
        return sorted(path.name for path in folder.iterdir() if path.name[0].isdigit())

    return read
