# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Representors on hosts that Hypothesis makes up: thousands of them in the soak tier."""

from __future__ import annotations

import errno
import pathlib
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings

from os_vif.host.sriov import functions
from tests.support.generated.topologies import Host, hosts


def wrong(host: Host) -> list[str]:
    """What the finder says of each virtual function, where that is not right."""
    found = []
    for function, name in host.truth.items():
        try:
            said: str | None = functions.representor(function)
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.ENOTUNIQ, errno.EOPNOTSUPP):
                raise
            # Not there, or not to be told: never a guess.
            said = name if function not in host.certain else None
        if said != name:
            found.append(f"{function}: {said} instead of {name}")
    return found


@pytest.mark.parametrize("number", [100, pytest.param(5000, marks=pytest.mark.soak)])
def test_the_finder_is_right_or_refuses(number):
    """Cards, physical functions, switches, names, numbers, what is on the host beside.

    It may refuse only where the kernel leaves it open which device it is.
    """

    @given(hosts())
    @settings(max_examples=number, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def right(host: Host) -> None:
        with tempfile.TemporaryDirectory() as root, host.running(pathlib.Path(root)):
            assert wrong(host) == []

    right()
