# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""ADD, CHECK and DEL with host-local: the pod, the host and the result."""

from __future__ import annotations

import pytest

from testbed.namespaces import ip, state_files
from tests.support.cni import VERSIONS, addresses_in, links_in, routes_in


def test_first(runtime, network, allocated):
    result = runtime.call("ADD", network).result
    print(result, links_in(runtime.netns), routes_in(runtime.netns))
    checked = {**network, "prevResult": result}
    runtime.call("CHECK", checked).succeeded()
    runtime.call("DEL", checked).succeeded()
    assert allocated() == []
    assert [l["ifname"] for l in ip("link")] == ["lo"]
