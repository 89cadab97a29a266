# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for routes: the lifetime and preference of IPv6 routes, and metrics as text."""

from __future__ import annotations

import pytest

from os_vif import exception
from os_vif.host.netlink import route_metrics
from os_vif.steps import EnsureRoute

_ROUTE_6 = {"name": "br", "destination": "2001:db8::/32"}


@pytest.mark.parametrize(
    ("good", "fields"),
    [
        (True, {"preference": 1, "expires": 0, "learned": True, "gateway": "fe80::1"}),
        (True, {"preference": 3, "expires": 2**32 - 2}),
        (False, {"preference": 2}),
        (False, {"preference": 0}),
        (False, {"expires": -1}),
        (False, {"expires": 2**32 - 1}),
        *((False, {"learned": True, f: v}) for f, v in (
            ("table", 77), ("tos", 1), ("source", "2001:db8::1"), ("onlink", True), ("kind", 2),
        )),
    ],
)  # fmt: skip
def test_a_route_of_ipv6_has_a_lifetime_and_a_preference(good, fields):
    """Such a route may be a route that the kernel has learned."""
    if good:
        EnsureRoute(**_ROUTE_6, **fields)
        return
    with pytest.raises(exception.InvalidStep):
        EnsureRoute(**_ROUTE_6, **fields)


@pytest.mark.parametrize(
    "text", ["", "mtu 1400", "mtu lock 1400 advmss 0 hoplimit 64 features ecn congctl cubic"]
)
def test_metrics_are_read_as_they_are_written(text):
    """Metrics are decoded from words and from the bytes of the kernel."""
    assert route_metrics.read(route_metrics.pack(text)) == (text, "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x08\0\x63\0\1\0\0\0", "metric 99"),
        (b"\x08\0\x0c\0\2\0\0\0", "metric features"),
        (b"\x08\0\x01\0\0\x04\0\0\x08\0\x0a\0\1\0\0\0", "metric hoplimit"),
        (b"\x06\0\x02\0\1\0\0\0", "metric mtu"),
    ],
)
def test_metrics_that_no_text_expresses_are_named(data, said):
    """A route with an unknown metric is refused."""
    assert route_metrics.read(data)[1] == said
