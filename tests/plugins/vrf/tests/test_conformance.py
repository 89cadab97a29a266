# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The suite that every plugin of os-vif passes, and a guest in the VRF."""

import os_vif
import pytest
from os_vif import exception, objects
from os_vif.testing import Case, conformance
from os_vif.testing.conformance_case import configured
from os_vif.testing.guests import Guest
from os_vif.testing.private_host import Host

TABLES = {"tables": {"vrf-red": "100"}}
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


def vif(number: int = 0, vrf: str = "vrf-red") -> objects.VIFGeneric:
    """Return a VIF; VIFs with different numbers are on the host at the same time."""
    port_id = f"{number}1111111-2222-4333-8444-555555555555"
    subnet = objects.Subnet(cidr=f"192.0.2.{16 * number}/28", gateway=f"192.0.2.{16 * number + 1}")
    return objects.VIFGeneric(
        id=port_id,
        plugin="vrf",
        address=f"02:00:00:00:00:0{number}",
        vif_name=f"tap{port_id[:11]}",
        network=objects.Network(
            id="99999999-2222-4333-8444-555555555555",
            bridge=vrf,
            mtu=1400,
            subnets=objects.SubnetList(objects=[subnet]),
        ),
    )


def test_the_plugin_passes_the_conformance_suite() -> None:
    # The first VRF of a namespace adds a rule, which the kernel keeps.
    case = Case(
        "vrf",
        vif(),
        numbered=vif,
        options=TABLES,
        prepare="ip link add vrf-other type vrf table 99",
        probe="ip link add v type vrf table 1",
        unrestored=("vrf-red",),
    )
    conformance("vrf", [case]).raise_for_failures()


def test_a_vrf_without_a_table_is_refused_by_the_name_of_the_option(host: Host) -> None:
    os_vif.initialize()
    with pytest.raises(exception.PlugException, match="tables is no entry for blue"):
        os_vif.plug(vif(vrf="blue"), INSTANCE)


def test_a_guest_reaches_the_gateway_in_the_vrf(host: Host, guest: Guest) -> None:
    os_vif.initialize()
    with configured("os_vif_vrf", TABLES):
        os_vif.plug(vif(), INSTANCE)
    host.run(f"ip link set gst01111111-22 name eth0 netns {guest.pid}")
    guest.configure("192.0.2.2/28")
    assert "192.0.2.1" in guest.ping("192.0.2.1")
    (route,) = [r for r in host.ip("route", "show", "table", "100") if r["dst"] == "192.0.2.0/28"]
    assert route["dev"] == "tap01111111-22"
