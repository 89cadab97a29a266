# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of tests on Open vSwitch."""

from __future__ import annotations

import pytest

from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.testing.fake_card import card
from tests.support.ovs.representors import Host


@pytest.fixture
def host(br_int, tmp_path):
    with card(tmp_path / "sys") as sysfs:
        yield Host(sysfs)


@pytest.fixture
def ovsdb(switch):
    with Ovsdb(switch.connection, 60) as ovsdb:
        yield ovsdb
