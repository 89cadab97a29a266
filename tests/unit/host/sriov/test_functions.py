# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Which device stands for a virtual function, on a sysfs made of files."""

from __future__ import annotations

import errno

import pytest

from os_vif.host.sriov import functions, inventory
from os_vif.steps import EnsureVdpa, ReleaseVf, SetVf, wire
from os_vif.testing.fake_card import Sysfs
from tests.support.generated.topologies import Device, Host, Physical


@pytest.fixture
def sysfs(tmp_path, monkeypatch) -> Sysfs:
    """A card with two physical functions of two VFs each, in switchdev mode."""
    sysfs = Sysfs(tmp_path)
    sysfs.shown(monkeypatch)
    for pf in range(2):
        sysfs.physical(
            f"0000:03:00.{pf}", f"eth{pf}", [f"0000:03:0{pf + 1}.{n}" for n in range(2)]
        )
        sysfs.port(f"eth{pf}", "abcd", f"p{pf}")
    return sysfs


def of(address: str) -> str:
    return functions.representor(functions.vf(address))


@pytest.mark.parametrize("form", ["pf{pf}vf{vf}", "PF{pf}VF{vf}"])
def test_the_numbers_of_both_functions_are_looked_at(sysfs, form):
    """Two physical functions of one card have one switch (LP 1743494)."""
    for pf in range(2):
        for vf in range(2):
            sysfs.port(f"rep{pf}{vf}", "abcd", form.format(pf=pf, vf=vf))
    sysfs.port("other", "ffff", "pf0vf1")
    sysfs.port("far", "abcd", "c1pf0vf1")
    sysfs.port("plain", None, None)
    assert of("0000:03:01.1") == "rep01"
    assert of("0000:03:02.0") == "rep10"
    assert functions.vf("0000:03:02.1") == functions.Vf("0000:03:02.1", 1, "0000:03:00.1")


@pytest.mark.parametrize("form", ["{vf}", "vf{vf}"])
def test_older_drivers_number_the_virtual_functions_only(sysfs, form):
    """Of one physical function. Where two with such a VF are on one switch, that is no answer."""
    for vf in range(2):
        sysfs.port(f"rep{vf}", "abcd", form.format(vf=vf))
    with pytest.raises(
        OSError, match=r"representor of VF 1 of 0000:03:00\.0 is ambiguous: one of rep1"
    ) as info:
        of("0000:03:01.1")
    assert info.value.errno == errno.ENOTUNIQ
    sysfs.port("eth1", "ffff", "p0")
    assert of("0000:03:01.1") == "rep1"


def test_representors_below_the_physical_function_are_not_its_uplink(sysfs):
    """As since Linux 5.8 (LP 1892132)."""
    sysfs.below("0000:03:00.0", "a-rep")
    sysfs.port("a-rep", "abcd", "pf0vf1")
    assert of("0000:03:01.1") == "a-rep"


def test_what_is_missing_is_said(sysfs):
    """The virtual function, the representor, the mode of the card."""
    with pytest.raises(OSError, match=r"there is no PCI device 0000:03:09\.0"):
        of("0000:03:09.0")
    with pytest.raises(OSError, match=r"VF 1 of 0000:03:00\.0 has no representor"):
        of("0000:03:01.1")
    sysfs.physical("0000:04:00.0", "legacy", ["0000:04:01.0"])
    with pytest.raises(OSError, match=r"0000:04:00\.0 is not in switchdev mode"):
        of("0000:04:01.0")


@pytest.mark.parametrize("domain", ["0000", "10000", "1000a", "ffffffff"])
def test_a_domain_of_more_than_four_digits_is_found_and_set(domain, tmp_path, monkeypatch):
    """As behind Intel VMD. Discovery and every step with a PCI address accept the same text."""
    sysfs = Sysfs(tmp_path)
    sysfs.shown(monkeypatch)
    pf, vf = f"{domain}:e1:00.0", f"{domain}:e1:00.2"
    sysfs.physical(pf, "eth0", [f"{domain}:e1:00.1", vf])
    sysfs.port("eth0", "abcd", "p0")
    sysfs.port("rep1", "abcd", "pf0vf1")
    assert functions.vf(vf) == functions.Vf(vf, 1, pf)
    assert of(vf) == "rep1"
    assert functions.address_of("eth0") == pf
    assert [found.address for found in inventory.physical_functions()[0].vfs][1] == vf
    for step in (
        SetVf("eth0", 1, vf, user="u", mac="fa:16:3e:00:00:01"),
        ReleaseVf(vf, "u"),
        EnsureVdpa("vdpa0", f"pci/{vf}"),
    ):
        assert wire.decode(wire.encode(step)) == step
        assert domain in step.commands()[0]


PFS = ("0000:03:00.0", "0000:03:00.1")


def card(uplinks: tuple[int, int], *representors: Device, has_devlink: bool = False) -> Host:
    """Two physical functions on one switch, with a virtual one each."""
    own = [
        Device(f"eth{n}", pf, "abcd", f"p{uplink}")
        for n, (pf, uplink) in enumerate(zip(PFS, uplinks, strict=True))
    ]
    devices = [*own, *representors]
    for index, device in enumerate(devices, 1):
        device.index = index
    physical = [Physical(pf, n, "abcd", (), [0]) for n, pf in enumerate(PFS)]
    return Host(physical, devices, has_devlink, says_parents=True, truth={}, certain=set())


def found(host: Host, tmp_path) -> list[str | int]:
    """For each physical function: the representor of its virtual one, or why there is none."""
    answers: list[str | int] = []
    with host.running(tmp_path / "sys"):
        for pf in PFS:
            try:
                answers.append(functions.representor(functions.Vf("", 0, pf)))
            except OSError as error:
                answers.append(error.errno)
    return answers


@pytest.mark.parametrize(
    ("uplinks", "names", "expected"),
    [
        # Uplinks and functions say the same.
        ((0, 1), (0, 1), ["rep0", "rep1"]),
        # One of both cannot be meant.
        ((4, 5), (0, 1), ["rep0", "rep1"]),
        ((4, 5), (4, 5), ["rep4", "rep5"]),
        ((0, 0), (0, 1), ["rep0", "rep1"]),
        # Either may be meant, or neither.
        ((1, 0), (0, 1), [errno.ENOTUNIQ, errno.ENOTUNIQ]),
        ((4, 5), (7, 8), [errno.ENOTUNIQ, errno.ENOTUNIQ]),
    ],
)
def test_the_number_of_a_physical_function_is_no_guess(uplinks, names, expected, tmp_path):
    """Where representors are not below it, as before Linux 5.8."""
    representors = [Device(f"rep{n}", None, "abcd", f"pf{n}vf0") for n in names]
    assert found(card(uplinks, *representors), tmp_path) == expected


def test_what_is_below_another_physical_function_is_not_taken(tmp_path):
    """Not even by the number that it should have, while the right one is not there yet."""
    theirs = Device("rep", PFS[1], "abcd", "pf0vf0")
    assert found(card((0, 1), theirs), tmp_path) == [errno.ENODEV, "rep"]


def test_a_driver_with_ports_of_several_physical_functions(tmp_path):
    """The number decides; what devlink says is no VF, is none."""
    flavour, pf, vf = (
        f"DEVLINK_ATTR_PORT_{name}" for name in ("FLAVOUR", "PCI_PF_NUMBER", "PCI_VF_NUMBER")
    )
    devices = [
        Device(f"rep{n}", PFS[0], "abcd", None, PFS[0], {flavour: 4, pf: n, vf: 0}) for n in (1, 0)
    ]
    devices.append(Device("sf", PFS[0], "abcd", "pf0vf0", PFS[0], {flavour: 7}))
    assert found(card((0, 1), *devices, has_devlink=True), tmp_path) == ["rep0", errno.ENODEV]


def test_a_device_of_that_name_in_another_namespace_is_not_meant(tmp_path):
    """sysfs may be mounted for another one."""
    host = card((0, 1), Device("rep", None, "abcd", "pf0vf0"))
    host.says_parents = False
    with host.running(tmp_path / "sys"):
        assert functions.devices(PFS[0]) == ["eth0"]
        assert functions.address_of("eth0") == PFS[0]
        (tmp_path / "sys/class/net/eth0/ifindex").write_text("77\n")
        assert functions.devices(PFS[0]) == []
        assert functions.address_of("eth0") is None


def test_the_device_of_a_physical_function(tmp_path):
    """Not a representor, nor a second one of the function; devlink's, if it has one."""
    host = card((0, 1), Device("a-rep", PFS[0], "abcd", "pf0vf0"), Device("a", PFS[0]))
    function = functions.Vf("", 0, PFS[0])
    with host.running(tmp_path / "1"):
        assert functions.pf_device(function) == "eth0"
        assert functions.devices(PFS[0]) == ["eth0", "a", "a-rep"]
        assert functions.switch_of("eth0") == "abcd"
        assert functions.switch_of("a") is None
    host.devices[0].port_name = "n0"
    host.devices[-1].port_name = "pf0"
    with host.running(tmp_path / "n0"):
        assert functions.pf_device(function) == "eth0"
    host.devices[-1].instance, host.has_devlink = PFS[0], True
    host.devices[-1].port = {"DEVLINK_ATTR_PORT_FLAVOUR": 0}
    with host.running(tmp_path / "2"):
        assert functions.pf_device(function) == "a"


def _asked(pf: int | None, vf: int | None, flavour: int = 4) -> dict[str, int]:
    """Return what devlink says of a port for a virtual function, or of another port."""
    said = {"FLAVOUR": flavour, "PCI_PF_NUMBER": pf, "PCI_VF_NUMBER": vf}
    return {f"DEVLINK_ATTR_PORT_{k}": v for k, v in said.items() if v is not None}


@pytest.mark.parametrize("says_parents", [False, True])
def test_a_representor_in_another_namespace_is_not_replaced_by_another_function_s(
    says_parents, tmp_path
):
    """The functions have the numbers 2 and 1; the uplink of number 1 is called p2."""
    devices = [
        Device("rep0", None, "abcd", "pf2vf0", PFS[0], _asked(2, 0)),
        Device("gone", None, "abcd", "pf1vf0", PFS[1], _asked(1, 0), here=False),
    ]
    host = card((1, 2), *devices, has_devlink=True)
    host.says_parents = says_parents
    assert found(host, tmp_path) == ["rep0", errno.ENODEV]


@pytest.mark.parametrize("says_parents", [False, True])
@pytest.mark.parametrize("port_name", ["pf1vf0", "pf0vf0", "vf0", "0"])
def test_what_devlink_says_of_another_function_s_port_counts_more_than_its_name(
    says_parents, port_name, tmp_path
):
    """A scalable function with the name of a virtual one is none."""
    scalable = Device("sf", None, "abcd", port_name, PFS[1], _asked(None, None, flavour=7))
    host = card((1, 0), scalable, has_devlink=True)
    host.says_parents = says_parents
    assert found(host, tmp_path) == [errno.ENODEV, errno.ENODEV]


@pytest.mark.parametrize(
    ("port_name", "expected"),
    [
        ("pf0vf0", "rep"),
        # Number 1 is the other function's, whose device is elsewhere.
        ("pf1vf0", errno.ENODEV),
        # It may be either's.
        ("vf0", errno.ENOTUNIQ),
        ("0", errno.ENOTUNIQ),
    ],
)
def test_a_function_whose_device_is_in_another_namespace_may_have_the_representor(
    port_name, expected, tmp_path
):
    """It is on the card by its PCI address, and may be on the switch."""
    host = card((0, 1), Device("rep", None, "abcd", port_name))
    host.devices[1].here = False
    assert found(host, tmp_path) == [expected, errno.EOPNOTSUPP]


def test_a_bond_over_the_uplinks_is_no_representor(tmp_path):
    """It says the switch id of the devices below it, as a bridge or a VLAN on them does."""
    upper = [Device(name, None, "abcd") for name in ("bond0", "br0", "eth0.7")]
    representors = [Device(f"rep{n}", None, "abcd", f"pf{n}vf0") for n in (0, 1)]
    assert found(card((0, 1), *upper, *representors), tmp_path) == ["rep0", "rep1"]
    assert found(card((0, 1), *upper), tmp_path / "none") == [errno.ENODEV, errno.ENODEV]
