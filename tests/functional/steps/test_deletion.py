# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Devices that are deleted together: all or none, and no others."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time

import pytest

from os_vif.host.netlink import batch_delete, rtnetlink
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run

pytestmark = pytest.mark.usefixtures("namespace")


@pytest.fixture
def net(namespace):
    with rtnetlink.opened() as net:
        yield net


def names() -> set[str]:
    return {link["ifname"] for link in ip("link")} - {"lo"}


def sets(count: int) -> None:
    """Hybrid sets: a bridge, with one of a pair in it."""
    commands = [
        f"link add qbr{n} type bridge\nlink add qvb{n} type veth peer name qvo{n}\n"
        f"link set qvb{n} master qbr{n}"
        for n in range(count)
    ]
    text = "\n".join(commands)
    run(f"ip -batch - <<'END'\n{text}\nEND")


def test_what_is_to_go_does_not_show_and_then_is_gone(net):
    """A bridge whose only port goes with it is empty already; a pair goes as one."""
    sets(1)
    run("ip link add other type bridge")
    with batch_delete.batched(net) as batch:
        assert batch.delete(batch.require("qvo0"))
        assert batch.link("qvo0") is None
        assert batch.link("qvb0") is None
        bridge = batch.require("qbr0")
        assert batch.ports(bridge) == []
        assert batch.delete(bridge)
        assert {link.name for link in batch.links()} == {"lo", "other"}
        assert names() == {"qbr0", "qvb0", "qvo0", "other"}
    assert names() == {"other"}


def test_a_device_of_another_namespace_shows_whatever_its_index(net):
    """It has the index of one that is to go, and is another."""
    run("ip link add name doomed index 77 type bridge")
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as other:
        try:
            while os.stat(f"/proc/{other.pid}/ns/net") == os.stat("/proc/self/ns/net"):  # noqa: PTH116
                time.sleep(0.01)
            add = "ip link add name far index 77 type veth peer name near netns"
            run(f"nsenter --target {other.pid} --net {add} {os.getpid()}")
            near = net.require("near")
            with batch_delete.batched(net) as batch:
                batch.delete(batch.require("doomed"))
                assert batch.link("doomed") is None
                assert batch.link_at(near.lower, near.lower_netns).name == "far"
        finally:
            other.kill()


def test_an_exception_leaves_all_of_them(net):
    """Nothing was deleted yet, and nothing is hidden any more."""
    sets(1)
    before = ip("link")

    def interrupted() -> None:
        with batch_delete.batched(net) as batch:
            batch.delete(batch.require("qvo0"))
            batch.delete(batch.require("qbr0"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert ip("link") == before
    assert net.link("qvb0") is not None


def test_a_refusal_leaves_all_of_them_as_they_were(net):
    """Also their groups."""
    sets(1)
    run("ip link set dev qbr0 group 7")
    before = ip("link")
    doomed = [net.require(name) for name in ("qbr0", "qvo0", "lo")]
    with pytest.raises(OSError, match="not supported") as info:
        batch_delete.delete(net, doomed)
    assert info.value.errno == errno.EOPNOTSUPP
    assert ip("link") == before


def test_one_that_has_gone_meanwhile_is_no_failure(net):
    """Neither is it if all of them have."""
    sets(1)
    doomed = [net.require(name) for name in ("qbr0", "qvo0")]
    run("ip link del qvo0")
    batch_delete.delete(net, doomed)
    assert names() == set()
    batch_delete.delete(net, doomed)


def test_threads_delete_together_and_each_its_own(net):
    """One asks for what cannot be deleted: it alone hears of it."""
    sets(8)
    run("ip link add other type bridge")
    barrier, errors = threading.Barrier(9), []

    def work(*mine: str) -> None:
        with rtnetlink.opened() as own:
            doomed = [own.require(name) for name in mine]
            barrier.wait()
            try:
                batch_delete.delete(own, doomed)
            except OSError as error:
                errors.append((mine, error.errno))

    asked = [(f"qvo{n}", f"qbr{n}") for n in range(8)] + [("lo", "other")]
    threads = [threading.Thread(target=work, args=mine) for mine in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [(("lo", "other"), errno.EOPNOTSUPP)]
    assert names() == {"other"}
    assert all(link["group"] == "default" for link in ip("link"))
