# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for virtual functions: their arguments, their commands, and the messages they send."""

from __future__ import annotations

import dataclasses
import errno

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from os_vif import exception, objects
from os_vif.host.netlink import codec, rtnetlink
from os_vif.host.sriov import vf_settings
from os_vif.host.sriov.vf_settings import Settings
from os_vif.steps import ReleaseVf, SetVf
from os_vif.steps.wire import decode, encode

ADDRESS = "0000:03:00.2"
FULL = {
    "mac": "02:11:22:33:44:55",
    "vlan": 42,
    "vlan_qos": 3,
    "vlan_proto": "802.1ad",
    "trusted": True,
    "spoof_check": False,
    "min_tx_rate": 10,
    "max_tx_rate": 100,
    "link_state": "enable",
}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": ""}, "name"),
        ({"number": -1}, "number"),
        ({"number": True}, "number"),
        ({"pci_address": "03:00.2"}, "pci_address"),
        ({"pci_address": "../../etc"}, "pci_address"),
        ({"user": "a vif"}, "pci_address"),
        ({"user": "a\nvif", "pci_address": ADDRESS}, "user"),
        ({"mac": "02-11-22-33-44-55"}, "mac"),
        ({"vlan": 4095}, "vlan"),
        ({"vlan": "7"}, "vlan"),
        ({"vlan_qos": 3}, "vlan"),
        ({"vlan": 7, "vlan_qos": 8}, "vlan_qos"),
        ({"vlan": 7, "vlan_proto": "802.1q"}, "vlan_proto"),
        ({"trusted": 1}, "trusted"),
        ({"spoof_check": "on"}, "spoof_check"),
        ({"min_tx_rate": -1}, "min_tx_rate"),
        ({"max_tx_rate": 2**32}, "max_tx_rate"),
        ({"link_state": "up"}, "link_state"),
        ({"link_up": True}, "link"),
        ({"link_up": True, "link": "eth1"}, "pci_address"),
        ({"link_address": "x", "link": "eth1", "pci_address": ADDRESS}, "link_address"),
    ],
)
def test_arguments_that_no_plan_may_have_are_refused(arguments, field):
    """The error has the name of the field."""
    with pytest.raises(exception.InvalidStep) as info:
        SetVf(**{"name": "eth0", "number": 0, "pci_address": None, **arguments})
    assert info.value.kwargs["field"] == field


def test_a_function_is_released_by_its_pci_address_and_its_vif():
    """The PCI address becomes the name of a file, and the file contains the VIF."""
    for arguments in (("", "vif"), ("../lock", "vif"), (ADDRESS, 7)):
        with pytest.raises(exception.InvalidStep):
            ReleaseVf(*arguments)


def test_steps_are_shown_as_commands():
    """Each separate message to the kernel has a command."""
    step = SetVf("eth0", 3, ADDRESS, "vif-1", link="eth5", link_ipv6=False, link_up=True,
                 link_address="02:11:22:33:44:55", **FULL)  # fmt: skip
    assert step.commands() == (
        f"# /run/os-vif notes that VIF vif-1 has VF 3 of eth0 ({ADDRESS})",
        "ip link set dev eth0 vf 3 mac 02:11:22:33:44:55",
        "ip link set dev eth0 vf 3 vlan 42 qos 3 proto 802.1ad",
        "ip link set dev eth0 vf 3 trust on",
        "ip link set dev eth0 vf 3 spoofchk off",
        "ip link set dev eth0 vf 3 min_tx_rate 10 max_tx_rate 100",
        "ip link set dev eth0 vf 3 state enable",
        "sysctl -w net/ipv6/conf/eth5/disable_ipv6=1  # VF 3 of eth0",
        "ip link set dev eth5 up  # VF 3 of eth0",
        "ip link set dev eth5 address 02:11:22:33:44:55  # VF 3 of eth0",
    )
    (command,) = ReleaseVf(ADDRESS, "vif-1").commands()
    assert command.startswith(f"# VF {ADDRESS}: the settings that /run/os-vif notes for VIF vif-1")


def test_steps_reach_the_privileged_side_as_they_are():
    """Steps survive the conversion to plain data and back."""
    for step in (SetVf("eth0", 3, ADDRESS, "vif-1", **FULL), ReleaseVf(ADDRESS, "vif-1")):
        assert decode(encode(step)) == step


class Recorder:
    """A replacement of a socket, which records the messages."""

    def request(self, kind, flags, body):
        assert (kind, flags) == (16, 4)
        self.body = body


def sent(group, **settings):
    """Return the fields that pyroute2 decodes from the message that sets a group."""
    recorder = Recorder()
    link = dataclasses.replace(LINK, index=7)
    vf_settings.put(recorder, link, 3, group, Settings(**settings))
    header = codec.HEADER.pack(codec.HEADER.size + len(recorder.body), 16, 0, 1, 0)
    message = ifinfmsg(header + recorder.body)
    message.decode()
    (info,) = message.get_attr("IFLA_VFINFO_LIST").get_attrs("IFLA_VF_INFO")
    assert message["index"] == 7
    return info


LINK = rtnetlink.Link(
    1, "eth0", None, 1500, True, True, False, None, None, None, None, 0, None, {}
)


def test_each_group_is_one_message_of_its_own():
    """pyroute2, an independent implementation, decodes the messages."""
    mac = sent(("mac",), mac=FULL["mac"]).get_attr("IFLA_VF_MAC")
    assert (mac["vf"], mac["mac"].upper()) == (3, FULL["mac"].upper())
    vlan = sent(
        ("vlan", "vlan_qos", "vlan_proto"), vlan=42, vlan_qos=3, vlan_proto="802.1ad"
    ).get_attr("IFLA_VF_VLAN_LIST")
    (info,) = vlan.get_attrs("IFLA_VF_VLAN_INFO")
    assert (info["vf"], info["vlan"], info["qos"], info["proto"]) == (3, 42, 3, 0x88A8)
    for field, name, key in (
        ("trusted", "TRUST", "trust"),
        ("spoof_check", "SPOOFCHK", "spoofchk"),
    ):
        for value in (True, False):
            found = sent((field,), **{field: value}).get_attr(f"IFLA_VF_{name}")
            assert (found["vf"], found[key]) == (3, int(value))
    rate = sent(("min_tx_rate", "max_tx_rate"), min_tx_rate=10, max_tx_rate=100)
    found = rate.get_attr("IFLA_VF_RATE")
    assert (found["vf"], found["min_tx_rate"], found["max_tx_rate"]) == (3, 10, 100)
    for number, state in enumerate(("auto", "enable", "disable")):
        found = sent(("link_state",), link_state=state).get_attr("IFLA_VF_LINK_STATE")
        assert (found["vf"], found["link_state"]) == (3, number)


def test_one_table_names_each_setting_of_the_step_and_of_the_port_profile():
    """The names have the order of the fields of the step."""
    others = {"name", "number", "pci_address", "user", "link"}
    fields = [field.name for field in dataclasses.fields(SetVf) if field.name not in others]
    assert fields == [setting.name for setting in vf_settings.SETTINGS]
    history = objects.VIFPortProfileSRIOV.history
    assert {name for version in history for name in version.adds} <= set(fields)


class Card:
    """A physical function with a simulated virtual function, which refuses some settings."""

    def __init__(self, monkeypatch, *refused):
        self.settings = {**FULL, "mac": "02:00:00:00:00:01", "vlan": 7, "trusted": False}
        self.refused = set(refused)
        monkeypatch.setattr(vf_settings, "get", lambda *_: dict(self.settings))
        monkeypatch.setattr(vf_settings, "put", self.put)

    def require(self, name):
        return LINK

    def put(self, net, pf, number, group, wanted):
        if self.refused & set(group):
            raise OSError(errno.EOPNOTSUPP, "refused")
        self.settings.update({name: wanted[name] for name in group})


def test_settings_before_a_refused_one_are_rolled_back(monkeypatch):
    """Settings are rolled back in reverse order, also by the undo of the whole change."""
    card = Card(monkeypatch, "trusted")
    before = dict(card.settings)
    step = SetVf("eth0", 3, None, mac=FULL["mac"], vlan=42, vlan_qos=1, trusted=True)
    with pytest.raises(OSError, match="VF 3 of eth0: trust on: refused"):
        step.apply(card)
    assert card.settings == before
    card.refused.clear()
    (undo,) = step.apply(card)
    assert card.settings == {
        **before,
        "mac": FULL["mac"],
        "vlan": 42,
        "vlan_qos": 1,
        "trusted": True,
    }
    undo.apply(card)
    assert card.settings == before


def test_a_setting_that_cannot_be_rolled_back_is_told(monkeypatch):
    """The error has the command that would restore the setting; other settings are restored."""
    card = Card(monkeypatch, "trusted")
    step = SetVf("eth0", 3, None, mac=FULL["mac"], vlan=42, trusted=True)
    put = card.put

    def refuse_old_vlan(net, pf, number, group, wanted):
        if "vlan" in group and wanted["vlan"] == 7:
            raise OSError(errno.EIO, "broken")
        put(net, pf, number, group, wanted)

    monkeypatch.setattr(vf_settings, "put", refuse_old_vlan)
    with pytest.raises(
        OSError,
        match=r"trust on: refused.*; and then not undone: ip link set dev eth0 vf 3 vlan 7.*broken",
    ):
        step.apply(card)
    assert card.settings["mac"] == "02:00:00:00:00:01"
