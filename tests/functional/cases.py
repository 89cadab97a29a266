# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of every plugin in the tree, for the proofs that every plan has to pass.

A plugin that is registered and has no case here fails ``test_every_plugin_has_cases``.
"""

from __future__ import annotations

import dataclasses

import pytest

from os_vif import objects
from tests.functional.conftest import bridge_vif
from tests.functional.namespaces import require, run

_UPLINK = (
    "ip link add name uplink address 02:00:00:00:00:01 type veth "
    "peer name far address 02:00:00:00:00:02; ip link set dev far up"
)
_ADDRESSES = """
ip link set dev uplink up
ip address add 192.0.2.10/24 broadcast 192.0.2.255 dev uplink
ip address add 192.0.2.11/24 dev uplink
ip address add 192.0.2.12/24 label uplink:1 dev uplink
ip address add 198.51.100.1/32 peer 198.51.100.2/32 dev uplink
ip -6 address add 2001:db8::10/64 dev uplink nodad
ip route add default via 192.0.2.1
ip route add 203.0.113.0/24 via 192.0.2.7 table 77 proto 99 metric 5 src 192.0.2.11
ip route add 203.0.113.128/25 dev uplink
ip -6 route add default via 2001:db8::1
ip -6 route add 2001:db8:5::/64 via 2001:db8::2 metric 50
"""
#: As NetworkManager does it: the route of the network is its own.
_NETWORK_MANAGER = """
ip link set dev uplink up
ip address add 192.0.2.10/24 dev uplink noprefixroute
ip route add 192.0.2.0/24 dev uplink proto kernel scope link src 192.0.2.10 metric 100
ip route add default via 192.0.2.1 dev uplink proto dhcp src 192.0.2.10 metric 100
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A host and a VIF for it."""

    name: str
    vif: objects.VIFBase
    #: Shell commands that make the host.
    setup: str = "true"
    #: A command that works where the kernel has what the case needs, and the virtual machine that
    #: has it.
    probe: str | None = None
    scenario: str | None = None

    @property
    def keeps_bridge(self) -> bool:
        """Whether the bridge stays when its last VIF goes: it has an uplink, or was there before."""
        return self.setup != "true"

    def __str__(self) -> str:
        return self.name

    def prepare(self) -> None:
        """Make the host; skip where the kernel lacks what the case needs, and say what."""
        if self.probe is not None:
            require(self.probe)
        run(f"set -e\n{self.setup}")

    def param(self, *values: object, id: str | None = None, marks: object = ()):  # noqa: A002
        """For ``pytest.mark.parametrize``; a virtual machine runs it where it has to."""
        machine = [pytest.mark.vm(self.scenario)] if self.scenario else []
        return pytest.param(self, *values, id=id or self.name, marks=[*machine, *marks])


def _bridge(*, uplink: str | None = None, filtered: bool = False, vlan: int | None = None):
    vif = bridge_vif(1)
    vif.has_traffic_filtering = not filtered
    vif.network.bridge_interface = uplink
    if vlan is not None:
        vif.network.should_provide_vlan, vif.network.vlan = True, vlan
    return vif


_VHOST_USER = objects.VIFVHostUser(
    id="10000000-0000-4000-8000-000000000000",
    plugin="noop",
    path="/run/vhu1",
    mode="server",
    network=objects.Network(bridge="br-int"),
)

#: By the name of the plugin.
CASES: dict[str, tuple[Case, ...]] = {
    "linux_bridge": (
        Case("bare", _bridge()),
        Case("rules", _bridge(filtered=True)),
        Case("uplink", _bridge(uplink="uplink"), _UPLINK),
        Case(
            "uplink-with-addresses-and-rules",
            _bridge(uplink="uplink", filtered=True),
            f"{_UPLINK}\n{_ADDRESSES}",
        ),
        Case("network-manager", _bridge(uplink="uplink"), f"{_UPLINK}\n{_NETWORK_MANAGER}"),
        Case(
            "bridge-of-others",
            _bridge(uplink="uplink", filtered=True),
            f"{_UPLINK}\n{_ADDRESSES}\nip link add name brq-test type bridge stp_state 1\n"
            "ip link set dev brq-test mtu 1400 up",
        ),
        Case(
            "vlan",
            _bridge(uplink="uplink", vlan=100),
            _UPLINK,
            probe="ip link add name a type veth peer name b; "
            "ip link add link a name v type vlan id 100",
            scenario="plain",
        ),
    ),
    "noop": (Case("noop", _VHOST_USER),),
    # Cannot plug yet: test_every_plugin_has_cases.
    "ovs": (),
}

ALL = [case for cases in CASES.values() for case in cases]
PARAMS = [case.param() for case in ALL]
