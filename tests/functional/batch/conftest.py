# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of tests on batches."""

from __future__ import annotations

import pytest

from os_vif.host.ovsdb.connection import Ovsdb


@pytest.fixture
def ovsdb(switch):
    with Ovsdb(switch.connection, 60) as ovsdb:
        yield ovsdb
