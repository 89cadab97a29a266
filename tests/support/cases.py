# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of every plugin in the tree, for the proofs about all plans.

A registered plugin without a case fails ``test_every_plugin_has_cases``.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator

import pytest
from oslo_config import cfg

from os_vif import objects, testing
from os_vif.testing import conformance_case
from os_vif.testing.private_namespaces import machine_namespace
from tests.support.daemons import CONTEXTS
from tests.support.requirements import require
from tests.support.vifs import bridge_vif

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
#: NetworkManager adds the route of the network itself.
_NETWORK_MANAGER = """
ip link set dev uplink up
ip address add 192.0.2.10/24 dev uplink noprefixroute
ip route add 192.0.2.0/24 dev uplink proto kernel scope link src 192.0.2.10 metric 100
ip route add default via 192.0.2.1 dev uplink proto dhcp src 192.0.2.10 metric 100
"""


@dataclasses.dataclass(frozen=True)
class Case(testing.Case):
    """A host and a VIF, with the facts that tests need beside the conformance suite."""

    #: Shell commands that create the devices of the host.
    setup: str = "true"
    _: dataclasses.KW_ONLY
    #: The virtual machine with the features of ``probe``.
    scenario: str | None = None
    #: True if the plug creates the integration bridge, which stays.
    makes_switch: bool = False
    #: True if an unplug deletes a bridge that existed before the plug: the bridge of a trunk.
    loses_bridge: bool = False
    #: A device whose settings a plug changes and no unplug restores.
    keeps_device: str | None = None
    #: True for a card of the machine, which stays in its namespace.
    of_machine: bool = False
    #: True if only a step differs from the plan of another case: only soak tests run such a case.
    soak: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "prepare", self.setup)
        unrestored = {self.keeps_device} - {None}
        if self.card:
            unrestored |= {f"rep{number}" for number in range(VFS)}
        if self.keeps_bridge:
            unrestored |= {"brq-test", "br-int", "ovs-netdev", "uplink", "vlan100", "far"}
        if self.loses_bridge:
            unrestored |= {"tbr-1", "br-int"}
        object.__setattr__(self, "unrestored", tuple(sorted(unrestored)))

    @property
    def keeps_bridge(self) -> bool:
        """Return whether the bridge outlives the last VIF: it has an uplink, or existed before."""
        uplink = self.setup != "true" and self.switch is None and not self.of_machine
        return self.makes_switch or uplink

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Create the host. Skip the test, with a reason, if the host lacks a feature."""
        if self.probe is not None:
            require(self.probe)
        if missing := self.missing_requirement():
            pytest.skip(missing)
        where = machine_namespace() if self.of_machine else contextlib.nullcontext()
        with where, super().prepared():
            yield

    def configuration(self, helper: str) -> str:
        """Return the text of a configuration file with the options of this process.

        :param helper: the command that starts privileged daemons.
        """
        lines = [
            line
            for context in CONTEXTS
            for line in (f"[{context.cfg_section}]", f"helper_command={helper}")
        ]
        lines += ["[os_vif_ovs]", f"ovsdb_connection={cfg.CONF.os_vif_ovs.ovsdb_connection}"]
        return "\n".join([*lines, *(f"{name}={value}" for name, value in self.options.items())])

    def param(self, *values: object, id: str | None = None, marks: object = ()):  # noqa: A002
        """Return the argument for ``pytest.mark.parametrize``, marked for a virtual machine if
        needed.
        """
        own = [pytest.mark.vm(self.scenario)] if self.scenario else []
        own += [pytest.mark.soak] if self.soak else []
        return pytest.param(self, *values, id=id or self.name, marks=[*own, *marks])


#: Number of virtual functions of the card; each function has a representor.
VFS = 4


@contextlib.contextmanager
def configured(**options: object) -> Iterator[None]:
    """Set options of [os_vif_ovs] for the duration of a block."""
    with conformance_case.configured("os_vif_ovs", options):
        yield


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

_ID = "0a0b0c0d-1111-4222-8333-444455556666"
_INTEGRATION = "add-br br-int -- set Bridge br-int datapath_type=netdev"
_TRUNK = (
    f"{_INTEGRATION} -- add-br tbr-1 -- set Bridge tbr-1 datapath_type=netdev -- "
    "add-port tbr-1 tpt -- set Interface tpt type=patch options:peer=tpi -- "
    "add-port br-int tpi -- set Interface tpi type=patch options:peer=tpt"
)


def ovs_vif(
    cls: type = objects.VIFOpenVSwitch,
    bridge: str = "br-int",
    number: int = 0,
    mode: str = "server",
    **profile: object,
):
    """Return a VIF of a class for Open vSwitch. Each *number* gives another VIF."""
    vif_id = f"{number}{_ID[1:]}"
    more = {
        objects.VIFOpenVSwitch: {"vif_name": f"tap{vif_id[:11]}", "bridge_name": bridge},
        objects.VIFBridge: {"vif_name": f"tap{vif_id[:11]}", "bridge_name": f"qbr{vif_id[:11]}"},
        objects.VIFVHostUser: {"path": f"/run/vhu{vif_id[:11]}", "mode": mode},
        objects.VIFHostDevice: {"dev_type": "ethernet", "dev_address": f"0000:03:01.{number}"},
    }
    return cls(
        id=vif_id,
        address=f"fa:16:3e:00:00:{number:02x}",
        plugin="ovs",
        network=objects.Network(bridge=bridge, mtu=1450),
        has_traffic_filtering=True,
        port_profile=objects.VIFPortProfileOpenVSwitch(interface_id=vif_id, **profile),
        **more[cls],
    )


def _ovs(name: str, *vif: object, switch: str = _INTEGRATION, profile: dict | None = None,
         mode: str = "server", **fields: object) -> Case:  # fmt: skip
    """Return a case for Open vSwitch.

    :param vif: arguments for :func:`ovs_vif`, as are ``profile`` and ``mode``.
    """

    def numbered(number: int) -> objects.VIFBase:
        return ovs_vif(*vif, number=number, mode=mode, **(profile or {}))

    return Case(f"ovs-{name}", numbered(0), numbered=numbered, switch=switch, **fields)


#: Keys of a new port.
_AT_CREATION = {"isolate_vif": True, "default_qos_type": "linux-htb"}
_REPRESENTORS = "\n".join(
    f"ip link add name rep{n} type veth peer name far{n}" for n in range(VFS)
)
#: A command that succeeds if the kernel has the datapath of Open vSwitch.
_KERNEL_DATAPATH = "ovs-dpctl add-dp probe && ovs-dpctl del-dp probe"


def in_kernel(vif: objects.VIFBase) -> objects.VIFBase:
    """Return the VIF for the datapath of the kernel."""
    vif = copy.deepcopy(vif)
    vif.port_profile.datapath_type = "system"
    return vif


def _in_kernel(case: Case) -> Case:
    # The bridge of vhost-user is always in user space.
    change = (lambda vif: vif) if isinstance(case.vif, objects.VIFVHostUser) else in_kernel
    return dataclasses.replace(
        case,
        name=f"{case.name}-kernel",
        vif=change(case.vif),
        numbered=lambda number: change(case.numbered(number)),
        switch=case.switch.replace("datapath_type=netdev", "datapath_type=system"),
        probe=_KERNEL_DATAPATH,
        scenario="plain",
    )


#: A virtual function of QEMU's card after the boot.
_VF = "0000:01:10.0"
_CARD = f"""
card=/sys/bus/pci/devices/0000:01:00.0
[ $(cat $card/sriov_numvfs) = 2 ] || {{ echo 0 > $card/sriov_numvfs; echo 2 > $card/sriov_numvfs; }}
until pf=$(ls $card/net) && vf=$(ls /sys/bus/pci/devices/{_VF}/net); do sleep 0.1; done
# Its router's addresses have a time that runs off.
echo 1 > /proc/sys/net/ipv6/conf/$pf/disable_ipv6
ip link set dev $pf up
until grep -q up /sys/class/net/$pf/operstate; do sleep 0.1; done
! [ -e /sys/class/net/macvtap0 ] || ip link del dev macvtap0
for setting in 'mac 00:00:00:00:00:00' 'vlan 0' 'trust off' 'spoofchk on' 'max_tx_rate 0'; do
    ip link set dev $pf vf 0 $setting
done
echo 0 > /proc/sys/net/ipv6/conf/$vf/disable_ipv6
# The card learns its address from the driver, once the device was up.
ip link set dev $vf up
ip link set dev $vf down
ip link set dev $vf address 02:00:00:00:00:01
rm -f /run/os-vif/vf-*
"""


def _sriov(name: str, cls: type[objects.VIFBase], soak: bool = False, **fields: object) -> Case:
    profile = objects.VIFPortProfileSRIOV(
        vlan=42, vlan_qos=3, trusted=True, spoof_check=False, max_tx_rate=100
    )
    vif = cls(
        id=_ID,
        address="02:11:22:33:44:55",
        plugin="sriov",
        dev_address=_VF,
        network=objects.Network(mtu=1500),
        port_profile=profile,
        **fields,
    )
    return Case(
        f"sriov-{name}",
        vif,
        _CARD,
        probe="ls /sys/bus/pci/devices/*/sriov_totalvfs",
        scenario="igb",
        of_machine=True,
        soak=soak,
    )


#: The cases, by the name of the plugin.
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
    "sriov": (
        _sriov("host-device", objects.VIFHostDevice, soak=True, dev_type="ethernet"),
        *(
            _sriov(f"macvtap-{mode}", objects.VIFDirect, soak, vif_name="macvtap0", mode=mode)
            for mode, soak in (("passthrough", False), ("vepa", True), ("bridge", True))
        ),
    ),
    "ovs": (
        _ovs("bridge-only"),
        _ovs(
            "first-bridge",
            objects.VIFBridge,
            profile={"datapath_type": "netdev"},
            switch="",
            makes_switch=True,
        ),
        _ovs("port-of-the-hypervisor", profile={"create_port": True}, options=_AT_CREATION),
        _ovs(
            "tap",
            profile={"create_port": True, "create_tap": True, "multiqueue": True},
            tun=True,
        ),
        _ovs(
            "own-bridge",
            profile={"create_tap": True, "datapath_type": "netdev"},
            options={"per_port_bridge": True, "isolate_vif": True},
            tun=True,
        ),
        _ovs(
            "own-bridge-of-the-hypervisor",
            profile={"datapath_type": "netdev"},
            options=_AT_CREATION | {"per_port_bridge": True},
            soak=True,
        ),
        _ovs(
            "trunk",
            objects.VIFOpenVSwitch,
            "tbr-1",
            profile={"create_port": True, "create_tap": True, "datapath_type": "netdev"},
            setup="ip link add name eth0 type veth peer name far",
            switch=_TRUNK,
            options={"isolate_vif": True},
            tun=True,
            loses_bridge=True,
        ),
        _ovs("hybrid", objects.VIFBridge, options=_AT_CREATION),
        _ovs("vhost-user", objects.VIFVHostUser),
        _ovs("vhost-user-client", objects.VIFVHostUser, mode="client", options=_AT_CREATION),
        _ovs(
            "representor",
            objects.VIFHostDevice,
            setup=_REPRESENTORS,
            options=_AT_CREATION,
            card=True,
            keeps_device="rep0",
        ),
        _ovs(
            "representor-of-dpdk",
            objects.VIFHostDevice,
            profile={"datapath_type": "netdev"},
            card=True,
        ),
    ),
}

#: The cases of ``ovs`` in a virtual machine.
KERNEL = {case.name: _in_kernel(case) for case in CASES["ovs"] if "dpdk" not in case.name}
ALL = [case for cases in CASES.values() for case in cases]
#: Parameters of tests. The cases in a virtual machine, which is slow, run in soak tests only.
PARAMS = [
    case.param(marks=[pytest.mark.soak] if case.scenario and not case.soak else []) for case in ALL
]
#: Cases that together have each class of a VIF, each kind of port, and the longest plans.
SHORT = (
    *("bare", "uplink-with-addresses-and-rules", "noop", "ovs-own-bridge", "ovs-trunk"),
    *("ovs-hybrid", "ovs-vhost-user", "ovs-representor"),
)
#: All cases; the default run has the cases of SHORT, and soak tests have the other cases.
PARAMS_SHORT = [
    case.param(marks=[] if case.name in SHORT or case.soak else [pytest.mark.soak]) for case in ALL
]
