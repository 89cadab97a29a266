# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for vDPA devices: the messages, and the errors on a kernel without vDPA."""

from __future__ import annotations

import contextlib

import pytest
from pyroute2.netlink import genlmsg

from os_vif.host.netlink import codec, genetlink, rtnetlink, uapi
from os_vif.host.netlink.messages import CONTROL
from os_vif.host.netlink.netlink_socket import Socket
from os_vif.steps import DeleteVdpa, EnsureVdpa
from os_vif.steps.sriov import vdpa


class Theirs(genlmsg):
    """The message of linux/vdpa.h for pyroute2, which has no class for the message."""

    nla_map = (
        ("UNSPEC", "none"),
        ("VDPA_ATTR_MGMTDEV_BUS_NAME", "asciiz"),
        ("VDPA_ATTR_MGMTDEV_DEV_NAME", "asciiz"),
        ("VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES", "uint64"),
        ("VDPA_ATTR_DEV_NAME", "asciiz"),
        ("VDPA_ATTR_DEV_ID", "uint32"),
        ("VDPA_ATTR_DEV_VENDOR_ID", "uint32"),
        ("VDPA_ATTR_DEV_MAX_VQS", "uint32"),
        ("VDPA_ATTR_DEV_MAX_VQ_SIZE", "uint16"),
        ("VDPA_ATTR_DEV_MIN_VQ_SIZE", "uint16"),
        ("VDPA_ATTR_DEV_NET_CFG_MACADDR", "l2addr"),
    )


def test_a_message_is_what_the_kernel_reads():
    """pyroute2 decodes the message with the names of linux/vdpa.h, in the order of the header."""
    step = EnsureVdpa("vdpa0", "pci/0000:03:00.2", "02:11:22:33:44:55")
    attributes = {
        **step._handle,
        "VDPA_ATTR_DEV_NAME": "vdpa0",
        "VDPA_ATTR_DEV_NET_CFG_MACADDR": step.mac,
    }
    body = vdpa.FAMILY.pack(3, attributes)
    found = Theirs(codec.HEADER.pack(codec.HEADER.size + len(body), 30, 0, 1, 0) + body)
    found.decode()
    assert (found["cmd"], found["version"]) == (3, 1)
    assert dict(found["attrs"]) == {
        "VDPA_ATTR_MGMTDEV_BUS_NAME": "pci",
        "VDPA_ATTR_MGMTDEV_DEV_NAME": "0000:03:00.2",
        "VDPA_ATTR_DEV_NAME": "vdpa0",
        "VDPA_ATTR_DEV_NET_CFG_MACADDR": "02:11:22:33:44:55",
    }
    assert EnsureVdpa("vdpa0", "vdpasim_net")._handle["VDPA_ATTR_MGMTDEV_BUS_NAME"] is None


def test_a_family_of_the_kernel_is_found_by_its_name():
    """The controller family, which lists the other families, always exists."""
    with contextlib.closing(Socket(uapi.NETLINK_GENERIC)) as socket:
        assert genetlink.Family("nlctrl", CONTROL, ()).number(socket) == 16
        with pytest.raises(OSError, match="this kernel has no odd: is its module loaded"):
            genetlink.Family("odd", CONTROL, ()).number(socket)


def test_a_kernel_without_vdpa_says_so():
    """A check reports the missing family; a deletion has nothing to delete."""
    step = EnsureVdpa("vdpa0", "vdpasim_net")
    with rtnetlink.opened() as net:
        (difference,) = step.differences(net)
        if "no vdpa" not in difference.found:
            pytest.skip("this kernel has vDPA")
        with pytest.raises(OSError, match="this kernel has no vdpa"):
            step.apply(net)
        assert DeleteVdpa("vdpa0", "vdpasim_net").apply(net) == ()
