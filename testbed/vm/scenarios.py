# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The virtual machines for tests with ``@pytest.mark.vm(NAME)``. A scenario is a single boot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    #: Modules that are loaded before the tests start.
    modules: tuple[str, ...]
    #: Devices, as arguments of QEMU.
    devices: tuple[str, ...] = ()
    #: Parameters of the kernel.
    parameters: tuple[str, ...] = ()
    #: Scenarios whose tests pass in this machine too, and need no machine of their own.
    includes: tuple[str, ...] = ()


_PLAIN = (
    *("veth", "tun", "macvlan", "macvtap", "bridge", "8021q", "bonding", "dummy", "ipvlan"),
    *("vrf", "vxlan"),
    *("br_netfilter", "ip_tables", "iptable_filter", "ip6table_filter", "nf_tables", "nft_compat"),
    *("xt_physdev", "xt_comment", "cls_flower", "cls_matchall", "act_mirred", "act_police"),
    *("sch_ingress", "sch_htb", "openvswitch", "netdevsim"),
)
#: A network card with SR-IOV: the Intel 82576 of QEMU. The cable of the card ends in the machine.
_IGB = (
    *("-device", "pcie-root-port,id=port1,slot=1"),
    *("-netdev", "user,id=cable1,restrict=on"),
    *("-device", "igb,bus=port1,netdev=cable1"),
)

SCENARIOS = {
    # VLAN devices, vlan_filtering, bonding, flower, the kernel's Open vSwitch, and simulated cards
    # with virtual functions, switchdev mode and representors.
    "plain": Scenario(_PLAIN),
    # A PCI card with virtual functions; labrep adds representors. The card is behind an IOMMU, so
    # that virtual functions can be given to vfio-pci.
    "igb": Scenario(
        (*_PLAIN, "igb", "igbvf", "vfio-pci"),
        ("-device", "intel-iommu", *_IGB),
        ("intel_iommu=on",),
        includes=("plain",),
    ),
}
