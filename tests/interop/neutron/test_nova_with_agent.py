# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""nova 34.0.0 plugs ports, and the neutron-openvswitch-agent of neutron 29.0.0 wires the ports."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.negotiation import needs_isolation, vif_of
from os_vif.serialization import to_document
from os_vif.testing.host_snapshots import ip
from tests.support.neutron import agents
from tests.support.neutron.vifs import instance_of
from tests.support.nova import nova_host
from tests.support.ovs.vifs import guest_on

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def nova(nova_python, subject, hosts, tmp_path_factory):
    """Provide nova on the first host."""
    folder = tmp_path_factory.mktemp("nova") / "driver"
    url = f"http://{hosts.api.host}:{hosts.api.port}"
    with nova_host.running(nova_python, subject, folder, hosts.switch.connection, url) as running:
        yield running


def test_a_port_of_nova_becomes_active_and_down(nova, hosts):
    """nova unplugs the port, and plugs the port again."""
    network, subnet = hosts.api.create_network()
    port = hosts.api.create_port(network, agents.FIRST)
    before = {link["ifname"] for link in ip("link")}
    try:
        assert needs_isolation(port) is True
        vif = vif_of(port, network, [subnet])
        for _ in range(2):
            assert to_document(nova.plug(port=port).vif) == to_document(vif)
            with guest_on(vif, f"{port['fixed_ips'][0]['ip_address']}/24"):
                hosts.api.await_status("ACTIVE", port)
                assert os_vif.check(vif, instance_of(port)) == ()
            nova.unplug(port=port)
            hosts.api.await_status("DOWN", port)
            assert {link["ifname"] for link in ip("link")} == before
    finally:
        hosts.api.delete_port(port)
