# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A test fails if the test leaves a device of os-vif in the network namespace of the machine.

The mount of sysfs shows the devices of the machine, also while a test is in a private namespace.
"""

from __future__ import annotations

import pathlib
from collections.abc import Generator

import pytest

from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS

_DEVICES = pathlib.Path("/sys/class/net")
_known = pytest.StashKey[set[str]]()


def devices() -> set[str]:
    """Return the names of the devices of the machine."""
    return {path.name for path in _DEVICES.iterdir()}


def is_of_os_vif(name: str) -> bool:
    """Return whether a device of the machine has the alias of os-vif."""
    try:
        alias = (_DEVICES / name / "ifalias").read_text()
    except OSError:
        # The device is gone, or the file is no device ("bonding_masters").
        return False
    return alias.strip() == MANAGED_ALIAS


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_known] = devices()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    known = item.config.stash[_known]
    added = devices() - known
    known |= added
    left = sorted(name for name in added if is_of_os_vif(name))
    if left:
        pytest.fail(
            f"the test, or a test at the same time, left {', '.join(left)} in the network namespace "
            "of the machine; expected no device of os-vif there",
            pytrace=False,
        )
    return result
