# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin and virtual functions, by what stands for them on the host."""

from __future__ import annotations

import pathlib

import pytest

import os_vif
from os_vif import exception, objects
from tests.functional.cases import card, ovs_vif
from tests.functional.namespaces import ip, run
from tests.functional.ovs import row

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture
def vf(tmp_path):
    """A VIF on a virtual function, for which a veth device stands."""
    run("ip link add name rep1 type veth peer name far")
    offload = objects.DatapathOffloadRepresentor(representor_name="rep1")
    with card(tmp_path / "sys"):
        yield ovs_vif(objects.VIFHostDevice, number=1, datapath_offload=offload)


def test_a_representor_is_a_port(br_int, vf):
    """Up, without IPv6, with the network's MTU; unplug takes it out and down, and it stays."""
    os_vif.plug(vf, INSTANCE)
    (link,) = ip("link", "show", "rep1")
    assert link["mtu"] == 1450
    assert "UP" in link["flags"]
    assert pathlib.Path("/proc/sys/net/ipv6/conf/rep1/disable_ipv6").read_text() == "1\n"
    assert br_int.vsctl("list-ports", "br-int") == "rep1"
    assert os_vif.check(vf, INSTANCE) == ()
    os_vif.unplug(vf, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert br_int.vsctl("list", "QoS") == ""
    assert "UP" not in ip("link", "show", "rep1")[0]["flags"]


def test_a_port_goes_whose_virtual_function_has_gone(br_int, vf):
    """The switch knows it by its iface-id."""
    os_vif.plug(vf, INSTANCE)
    vf.dev_address = "0000:03:09.0"
    with pytest.raises(exception.PlugException, match="there is no PCI device 0000:03:09"):
        os_vif.plug(vf, INSTANCE)
    os_vif.unplug(vf, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == ""
    os_vif.unplug(vf, INSTANCE)


def test_a_representor_of_dpdk_has_no_device(br_int, vf):
    """vswitchd opens it by the physical function's address."""
    vf.port_profile.datapath_type = "netdev"
    os_vif.plug(vf, INSTANCE)
    name = f"vfr{vf.id[:11]}"
    assert row(br_int, "Interface", name, "type", "options") == [
        "dpdk",
        '{dpdk-devargs="0000:03:00.0,representor=[1]"}',
    ]
    os_vif.unplug(vf, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == ""
