# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What is read of the kernel, and how it says no."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from os_vif.host.netlink import rtnetlink
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run

pytestmark = pytest.mark.usefixtures("namespace")


@pytest.fixture
def net(namespace):
    with rtnetlink.opened() as net:
        yield net


def test_a_link_is_read_as_ip_shows_it(net):
    """Every attribute that os-vif looks at, of a bridge and of what is in it."""
    run("ip link add name br type bridge ageing_time 1200 forward_delay 400")
    run("ip link set dev br mtu 1400 alias 'some text'")
    run("ip link add port type veth peer name other && ip link set port master br up")
    for link in net.links():
        (shown,) = ip("link", "show", link.name)
        assert link == net.link(link.name)
        assert link.index == shown["ifindex"]
        assert link.kind == shown.get("linkinfo", {}).get("info_kind")
        assert link.mtu == shown["mtu"]
        assert link.up == ("UP" in shown["flags"])
        assert link.alias == shown.get("ifalias")
        assert link.address == shown["address"]
    bridge = net.require("br")
    assert bridge.data["IFLA_BR_AGEING_TIME"] == 1200
    assert bridge.data["IFLA_BR_FORWARD_DELAY"] == 400
    assert [port.name for port in net.ports(bridge)] == ["port"]
    assert net.require("port").master == bridge.index


def test_what_is_not_there_is_none_or_enodev(net):
    """By name, and as a device that must be there."""
    assert net.link("missing") is None
    with pytest.raises(OSError, match="there is no device missing") as info:
        net.require("missing")
    assert info.value.errno == errno.ENODEV


def test_the_kernel_is_quoted(net):
    """Its own words, beside the errno."""
    run("ip link add name br type bridge")
    with pytest.raises(OSError, match="mtu greater than device maximum") as info:
        net.set(net.require("br"), mtu=70000)
    assert info.value.errno == errno.EINVAL


def test_a_device_that_is_there_is_eexist(net):
    """And it keeps its alias."""
    run("ip link add name br type bridge && ip link set dev br alias mine")
    with pytest.raises(FileExistsError):
        net.add("br", "bridge", {})
    assert net.require("br").alias == "mine"


def test_a_long_list_is_read_whole_while_it_changes(net):
    """The kernel says that a list was disturbed; it is then read again."""
    run("for n in $(seq 200); do ip link add v$n type veth peer name w$n; done")
    stop = threading.Event()

    def churn():
        with rtnetlink.opened() as other:
            while not stop.is_set():
                other.delete(other.add("churn", "bridge", {}))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            names = {link.name for link in net.links()}
            assert len(names - {"churn"}) == 401
    finally:
        stop.set()
        thread.join()


def test_a_program_with_an_event_loop_can_read(net):
    """pyroute2's own sockets refuse that since 0.9."""

    async def read():
        with rtnetlink.opened() as own:
            return own.link("lo")

    assert asyncio.run(read()) == net.link("lo")


#: Seconds for which both sides read.
READING = 1.0


def read_repeatedly(name: str) -> None:
    """Read a device again and again; fail for another device."""
    with rtnetlink.opened() as net:
        end = time.monotonic() + READING
        while time.monotonic() < end:
            assert net.require(name).name == name
            assert len(net.links()) == 3


def test_a_forked_child_reads_at_the_same_time(net):
    """The buffer for replies is copied by a fork."""
    run("ip link add name one type veth peer name two")
    # The buffer of this thread exists before the fork.
    assert net.require("one").name == "one"
    child = multiprocessing.get_context("fork").Process(target=read_repeatedly, args=("two",))
    child.start()
    read_repeatedly("one")
    child.join()
    assert child.exitcode == 0


def test_threads_read_at_the_same_time(net):
    """Each thread has a buffer for replies."""
    run("ip link add name one type veth peer name two")
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(read_repeatedly, name) for name in ("one", "two")]:
            done.result()
