# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests with the real neutron. Setting neutron up takes about half a minute."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import opts
from os_vif.testing import private_namespaces
from os_vif.testing.quick_daemons import stop_daemons
from testbed import environments
from tests.support.neutron import agents, ovn, server
from tests.support.neutron.api import Api
from tests.support.nova import nova_host


@pytest.fixture(scope="session")
def neutron_python(subject) -> pathlib.Path:
    """Return the Python with neutron. Made outside of the network namespace."""
    try:
        return server.environment(subject)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def nova_python(subject) -> pathlib.Path:
    """Return the Python with nova. Created outside of the network namespace."""
    try:
        return nova_host.environment(subject)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


@contextlib.contextmanager
def _private_host(missing: str | None) -> Iterator[None]:
    """Move the tests of a module to a private network namespace, and load this os-vif.

    :param missing: a missing requirement, for which the tests are skipped.
    """
    if missing := private_namespaces.missing_right() or missing:
        pytest.skip(missing)
    private_namespaces.hide_state_directory()
    with private_namespaces.private_namespace():
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        try:
            yield
        finally:
            for option in opts.OVS:
                cfg.CONF.clear_override(option.name, group="os_vif_ovs")
            stop_daemons()


@pytest.fixture(scope="module")
def ovn_switch(neutron_python, tmp_path_factory) -> Iterator[ovn.OvnSwitch]:
    """Provide OVN in a private network namespace, and this os-vif configured for the switch."""
    with (
        _private_host(ovn.missing_requirement()),
        ovn.OvnSwitch(tmp_path_factory.mktemp("ovn")) as switch,
    ):
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        yield switch


@pytest.fixture(scope="module")
def ovn_api(ovn_switch, neutron_python, subject, tmp_path_factory) -> Iterator[Api]:
    """Provide the API of neutron with OVN."""
    folder = tmp_path_factory.mktemp("neutron") / "server"
    with ovn.running_neutron(neutron_python, subject, folder, ovn_switch) as api:
        yield api


@pytest.fixture(scope="module")
def hosts(neutron_python, subject, tmp_path_factory) -> Iterator[agents.Hosts]:
    """Provide neutron with two agents, and this os-vif configured for the first host."""
    folder = tmp_path_factory.mktemp("agents")
    with (
        _private_host(agents.missing_requirement()),
        agents.running_hosts(neutron_python, subject, folder) as hosts,
    ):
        cfg.CONF.set_override("ovsdb_connection", hosts.switch.connection, group="os_vif_ovs")
        yield hosts
