# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""nova 34.0.0 asks Neutron for a port, plugs the port, and OVN reports the port as ACTIVE.

nova's client, translator and libvirt VIF driver run with the os-vif of the checkout.
"""

from __future__ import annotations

import pytest

import os_vif
from os_vif.negotiation import vif_of
from os_vif.serialization import to_document
from os_vif.testing.host_snapshots import ip
from tests.support.neutron import ovn
from tests.support.neutron.vifs import instance_of
from tests.support.nova import nova_host
from tests.support.ovs.vifs import guest_on

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def nova(nova_python, subject, ovn_switch, ovn_api, tmp_path_factory):
    """Provide nova on the host of OVN."""
    folder = tmp_path_factory.mktemp("nova") / "driver"
    url = f"http://{ovn_api.host}:{ovn_api.port}"
    with nova_host.running(nova_python, subject, folder, ovn_switch.connection, url) as running:
        yield running


def test_ports_of_nova_become_active_and_down(nova, ovn_api):
    """Two guests on ports of nova ping through OVN; vif_of() gives the VIFs of nova."""
    network, subnet = ovn_api.create_network()
    group = ovn_api.create_open_group()
    before = {link["ifname"] for link in ip("link")}
    ports = [ovn_api.create_port(network, ovn.HOST, security_groups=[group]) for _ in range(2)]
    try:
        plugged = [nova.plug(port=port) for port in ports]
        vifs = [vif_of(port, network, [subnet]) for port in ports]
        assert [to_document(p.vif) for p in plugged] == [to_document(vif) for vif in vifs]
        assert all(f'"{vif.vif_name}"' in p.xml for vif, p in zip(vifs, plugged, strict=True))
        ovn_api.await_status("ACTIVE", *ports)
        addresses = [port["fixed_ips"][0]["ip_address"] for port in ports]
        with (
            guest_on(vifs[0], f"{addresses[0]}/24") as guest,
            guest_on(vifs[1], f"{addresses[1]}/24"),
        ):
            guest.ping(addresses[1])
            checks = [os_vif.check(v, instance_of(p)) for v, p in zip(vifs, ports, strict=True)]
            assert checks == [(), ()]
        for port in ports:
            nova.unplug(port=port)
        ovn_api.await_status("DOWN", *ports)
        assert {link["ifname"] for link in ip("link")} == before
    finally:
        for port in ports:
            ovn_api.delete_port(port)
