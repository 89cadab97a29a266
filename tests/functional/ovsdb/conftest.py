# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of tests on the database of Open vSwitch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from os_vif.host.ovsdb.tls import Tls
from tests.support.certificates import Authority
from tests.support.ovs.tls import OPTIONS, tls_switch


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def client(authority) -> Tls:
    return authority.give("client")


@pytest.fixture
def secured(namespace, tmp_path, authority) -> Iterator[str]:
    """Provide the TLS address of a switch."""
    with tls_switch(tmp_path, authority.give("server")) as connection:
        yield connection


@pytest.fixture
def plugin(secured, client, ovs_options, daemon):
    """Set the options of a host with a database reached by TLS."""
    files = dict(zip(OPTIONS, dataclasses.astuple(client)[:3], strict=True))
    ovs_options(ovsdb_connection=secured, ovs_vsctl_timeout=20, **files)
    return ovs_options
