# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the CNI clients."""

from __future__ import annotations

import pytest

from tests.support import cni


@pytest.fixture(scope="session")
def c_client(tmp_path_factory):
    """Return the path of the client in C."""
    return cni.build_client(tmp_path_factory.mktemp("client"))


@pytest.fixture(params=["c", "python"])
def client(request):
    """Return the path of each client."""
    if request.param == "python":
        return cni.PYTHON_CLIENT
    return request.getfixturevalue("c_client")


@pytest.fixture
def runtime(client, tmp_path) -> cni.Runtime:
    """Return a runtime that calls the client."""
    return cni.Runtime(client, tmp_path / "cni.sock", netns="/run/netns/c1")
