# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Features of the kernel in the scenario ``plain``, which the kernel of this machine may lack."""

from __future__ import annotations

import pytest

from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run

pytestmark = [pytest.mark.vm("plain"), pytest.mark.usefixtures("namespace")]


def attach(bridge: str, guest: Guest, name: str, address: str) -> None:
    run(f"""set -e
    ip link add name {name} type veth peer name eth0 netns {guest.pid}
    ip link set dev {name} master {bridge} up
    """)
    guest.configure(address)


@pytest.mark.soak
def test_a_bridge_filters_vlans():
    """Ports of one bridge with other VLANs do not see each other; with the same they do."""
    run("ip link add name br type bridge vlan_filtering 1; ip link set dev br up")
    (bridge,) = ip("link", "show", "br")
    assert bridge["linkinfo"]["info_data"]["vlan_filtering"] == 1
    with Guest() as one, Guest() as two:
        attach("br", one, "one", "192.0.2.1/24")
        attach("br", two, "two", "192.0.2.2/24")
        assert "answers" in one.ping("192.0.2.2")
        run(
            "bridge vlan add dev one vid 10 pvid untagged; bridge vlan add dev two vid 20 pvid untagged"
        )
        with pytest.raises(OSError, match="does not answer"):
            one.ping("192.0.2.2")
        run("bridge vlan add dev two vid 10 pvid untagged")
        assert "answers" in one.ping("192.0.2.2")


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["bond", "dummy", "vlan", "ipvlan"])
def test_devices_of_all_kinds_can_be_made(kind):
    """Those that tier 1 may have to do without."""
    run("ip link add name base type veth peer name far")
    below = "link base" if kind in {"vlan", "ipvlan"} else ""
    data = "id 7" if kind == "vlan" else ""
    run(f"ip link add {below} name made type {kind} {data}")
    assert ip("link", "show", "made")[0]["linkinfo"]["info_kind"] == kind


@pytest.mark.soak
def test_flower_drops_what_it_matches():
    """The classifier that Open vSwitch offloads to."""
    with Guest() as guest:
        run(f"ip link add name near type veth peer name eth0 netns {guest.pid}")
        run("ip link set dev near up; ip address add 192.0.2.1/24 dev near")
        guest.configure("192.0.2.2/24")
        assert "answers" in guest.ping("192.0.2.1")
        run(
            "tc qdisc add dev near ingress; tc filter add dev near ingress protocol ip "
            "flower src_ip 192.0.2.2 action drop"
        )
        with pytest.raises(OSError, match="does not answer"):
            guest.ping("192.0.2.1")
