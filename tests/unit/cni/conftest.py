# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the CNI clients."""

from __future__ import annotations

import pytest

from tests.support import cni
from tests.support.cni import c_client, client

# Fixtures.
__all__ = ["c_client", "client"]


@pytest.fixture
def runtime(client, tmp_path) -> cni.Runtime:
    """Return a runtime that calls the client."""
    return cni.Runtime(client, tmp_path / "cni.sock", netns="/run/netns/c1")
