# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses and routes that exist: the kernel decides, with and without a read before."""

from __future__ import annotations

import errno

import pytest

from os_vif.host.netlink import rtnetlink
from os_vif.steps import DeleteAddress, DeleteRoute, EnsureAddress, EnsureRoute
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run

ADDRESSES = [EnsureAddress("base", "192.0.2.10/24"), EnsureAddress("base", "2001:db8::10/64")]
ROUTES = [
    EnsureRoute("base", "198.51.100.0/24", "192.0.2.1"),
    EnsureRoute("base", "2001:db8:1::/64", "2001:db8::1", metric=1024),
]


@pytest.fixture
def base(namespace):
    run("ip link add name base type veth peer name far && ip link set far up")
    run("ip link set base up")


@pytest.fixture(params=["read before", "not read"])
def view(request, base):
    """Return a function that provides a view of the devices, which has read the device or not."""

    with rtnetlink.opened() as uncached:

        def provide(step):
            with uncached.cached() as net:
                if request.param == "read before":
                    step.differences(net)
                return net

        yield provide


@pytest.mark.parametrize("step", ADDRESSES, ids=lambda step: step.address)
def test_an_address_is_added_once(view, step):
    assert [type(undo) for undo in step.apply(view(step))] == [DeleteAddress]
    before = ip("address", "show", "base")
    assert step.apply(view(step)) == ()
    assert ip("address", "show", "base") == before


@pytest.mark.parametrize("step", ROUTES, ids=lambda step: step.destination)
def test_a_route_is_added_once_and_another_with_its_key_is_an_error(view, step):
    for address in ADDRESSES:
        address.apply(view(address))
    assert [type(undo) for undo in step.apply(view(step))] == [DeleteRoute]
    assert step.apply(view(step)) == ()
    family = "-6" if ":" in step.destination else "-4"
    before = ip(family, "route")
    gateway = "2001:db8::2" if family == "-6" else "192.0.2.2"
    other = EnsureRoute("base", step.destination, gateway, metric=step.metric)
    with pytest.raises(OSError, match="File exists") as info:
        other.apply(view(other))
    assert info.value.errno == errno.EEXIST
    assert ip(family, "route") == before


def test_the_views_of_the_addresses_and_routes_stay_true(base):
    """A view that has read the device knows what was added since."""
    with rtnetlink.opened() as uncached, uncached.cached() as net:
        for step in (*ADDRESSES, *ROUTES):
            step.apply(net)
            assert step.differences(net) == ()
        for step in (*ADDRESSES, *ROUTES):
            assert step.apply(net) == ()
        for step in (*ADDRESSES, *ROUTES):
            with uncached.cached() as fresh:
                assert step.differences(fresh) == ()
