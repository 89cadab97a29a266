# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Half of the pair of a hybrid VIF, as the public os-vif leaves it: without a mark."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception
from os_vif.host.netlink import rtnetlink
from os_vif.steps import EnsureVeth
from os_vif.testing.host_snapshots import changes, differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.ovs.vifs import HYBRID, INSTANCE

QBR, QVB, QVO = (f"{prefix}0a0b0c0d-11" for prefix in ("qbr", "qvb", "qvo"))
#: What is there in place of a pair; ``far`` is a process in another network namespace.
TORN = {
    "qvb": f"ip link add {QVB} type veth peer name x",
    "qvb-in-qbr": (
        f"ip link add {QBR} type bridge; ip link add {QVB} type veth peer name x; "
        f"ip link set {QVB} master {QBR}; ip link set {QVB} up"
    ),
    "qvb-far": f"ip link add {QVB} type veth peer name {QVO} netns {{far}}",
    "qvb-in-qbr-far": (
        f"ip link add {QBR} type bridge; ip link add {QVB} type veth peer name {QVO}; "
        f"ip link set {QVB} master {QBR}; ip link set {QVO} netns {{far}}"
    ),
    "qvo": f"ip link add {QVO} type veth peer name x",
    "qvo-far": f"ip link add {QVO} type veth peer name {QVB}; ip link set {QVB} netns {{far}}",
    "both": f"ip link add {QVB} type veth peer name x; ip link add {QVO} type veth peer name y",
    "both-far": (
        f"ip link add {QVB} type veth peer name x netns {{far}}; "
        f"ip link add {QVO} type veth peer name y netns {{far}}"
    ),
    "qvb-marked": (
        f"ip link add {QVB} type veth peer name x; ip link set dev {QVB} alias os-vif; "
        f"ip link add {QVO} type veth peer name y"
    ),
    "named-as-another-vif-s": f"ip link add {QVB} type veth peer name qvo99999999-11",
}
#: What is in use, or is none of ours: the words of the error.
USED = {
    "in-a-bridge": (
        (f"ip link add br-x type bridge; ip link add {QVB} type veth peer name x; "
        f"ip link set {QVB} master br-x"),
        f"{QVB} is a veth device whose peer is x, and is in br-x, not a veth device whose peer is {QVO}",
    ),
    "peer-in-a-bridge": (
        (f"ip link add br-x type bridge; ip link add {QVO} type veth peer name x; "
        "ip link set x master br-x"),
        f"{QVO} is a veth device whose peer is x, and x is in br-x, not",
    ),
    "far-and-in-a-bridge": (
        (f"ip link add br-x type bridge; ip link add {QVB} type veth peer name x netns {{far}}; "
        f"ip link set {QVB} master br-x"),
        f"{QVB} is a veth device whose peer is in another network namespace, and is in br-x, not",
    ),
    "addresses": (
        f"ip link add {QVO} type veth peer name x; ip address add 192.0.2.1/24 dev {QVO}",
        f"{QVO} is a veth device whose peer is x, and {QVO} has addresses, not",
    ),
    "other-kind": (
        f"ip link add {QVO} type bridge",
        f"{QVO} is a device of kind bridge, not a veth device whose peer is {QVB}",
    ),
    # The first half is free, and stays as well.
    "one-of-two": (
        f"ip link add {QVB} type veth peer name x; ip link add {QVO} type bridge",
        f"{QVO} is a device of kind bridge, not a veth device whose peer is {QVB}",
    ),
}  # fmt: skip


@pytest.fixture
def far() -> Iterator[int]:
    """A process in a network namespace of its own."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 300"],
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def names() -> set[str]:
    return {link["ifname"] for link in ip("link")}


def is_a_pair() -> bool:
    found = {link["ifname"]: link for link in ip("link")}
    return found[QVB].get("link") == QVO and found[QVO].get("link") == QVB


@pytest.mark.short_form(4)
@pytest.mark.parametrize("torn", TORN)
def test_a_half_of_a_pair_is_replaced(br_int, far, torn):
    """It is told by check; plugged, nothing is wrong; unplugged, nothing of it is left."""
    before = names()
    run(TORN[torn].format(far=far))
    vif = ovs_vif(HYBRID)
    assert f"{QVB}: device is " in "\n".join(map(str, os_vif.check(vif, INSTANCE)))
    os_vif.plug(vif, INSTANCE)
    assert is_a_pair()
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.plug(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)
    assert names() - {"y"} == before
    assert br_int.vsctl("list-ports", "br-int") == ""


@pytest.mark.short_form(4)
@pytest.mark.parametrize(
    ("torn", "native"),
    [*((torn, False) for torn in TORN), ("qvb-in-qbr-far", True), ("qvo-far", True)],
)
def test_an_unplug_removes_the_half(br_int, far, torn, native):
    """And the bridge that it was in; also where the VIF is native by now."""
    before = names()
    run(TORN[torn].format(far=far))
    os_vif.unplug(ovs_vif() if native else ovs_vif(HYBRID), INSTANCE)
    assert names() == before


@pytest.mark.short_form(3)
@pytest.mark.parametrize("used", USED)
def test_a_half_that_others_use_is_refused_and_stays(br_int, far, used):
    """With the reason, and what to do."""
    setup, said = USED[used]
    run(setup.format(far=far))
    before = snapshot()
    with pytest.raises(exception.PlugException, match=f"{said}.*; remove it"):
        os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    assert differences(before) == []


def test_a_failure_later_gives_the_half_back(br_int, ovs_options):
    """With its peer, its master and its state."""
    run(TORN["qvb-in-qbr"])
    before = without_indexes(snapshot())
    br_int.vsctl("add-br", "br-other", "--", "add-port", "br-other", QVO)
    with pytest.raises(exception.PlugException, match="is in br-other, and not taken from there"):
        os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    br_int.vsctl("del-br", "br-other")
    found = without_indexes(snapshot())
    assert [line for line in changes(before["links"], found["links"]) if "flags" not in line] == []


@pytest.mark.parametrize("name", ["tap0a0b0c0d-11", "veth0", "qvbeth0", "qvb-a"])
def test_a_device_that_no_vif_has_is_not_replaced(namespace, name):
    """Only names of a VIF's half, such as ``qvb0a0b0c0d-11``."""
    run(f"ip link add {name} type veth peer name x")
    before = snapshot()
    with rtnetlink.opened() as net, pytest.raises(OSError, match=f"{name} is a veth device whose"):
        EnsureVeth(name, "other").apply(net)
    assert differences(before) == []


def test_a_pair_that_cannot_be_made_gives_the_half_back(namespace):
    """The kernel refuses such an MTU."""
    run(f"ip link add {QVO} type veth peer name x")
    before = snapshot()
    with rtnetlink.opened() as net, pytest.raises(OSError, match=r"Invalid argument|out of range"):
        EnsureVeth(QVB, QVO, mtu=2**30).apply(net)
    assert differences(without_indexes(before), indexes=False) == []
