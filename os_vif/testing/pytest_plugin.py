# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The pytest plugin ``os_vif``: the fixtures ``host``, ``switch``, ``card`` and ``guest``.

pytest loads the plugin in every run of an environment with os-vif, so the module imports pytest
only. The fixtures import the rest at first use. A test that needs a missing right or program is
skipped, with the name of the right or program as the reason.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from os_vif.testing.fake_card import Sysfs
    from os_vif.testing.guests import Guest
    from os_vif.testing.open_vswitch import Switch
    from os_vif.testing.private_host import Host


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the fixture ``host``."""
    config.addinivalue_line(
        "markers", "os_vif_in_process: the fixture host runs privileged functions in this process"
    )


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Provide a network namespace, an empty ``/run/os-vif``, and real privileged daemons.

    With the marker ``os_vif_in_process``, the privileged functions run in the process of the test,
    where breakpoints, coverage and replaced functions work.
    """
    from os_vif.testing import private_host, private_namespaces

    try:
        private_namespaces.require_rights()
    except private_namespaces.MissingRightError as error:
        pytest.skip(str(error))
    in_process = request.node.get_closest_marker("os_vif_in_process") is not None
    with private_host.private_host(in_process=in_process) as created:
        yield created


@pytest.fixture
def switch(host: Host, tmp_path: pathlib.Path) -> Iterator[Switch]:
    """Provide a private Open vSwitch in the namespace of ``host``.

    The option ``ovsdb_connection`` of the plugin ``ovs`` has the address of the database.
    """
    from os_vif.testing import conformance_case, open_vswitch

    if missing := open_vswitch.missing_requirement() or conformance_case.missing_tun():
        pytest.skip(missing)
    with open_vswitch.Switch(tmp_path) as created:
        options = {"ovsdb_connection": created.connection}
        with conformance_case.configured("os_vif_ovs", options):
            yield created


@pytest.fixture
def card(host: Host, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sysfs]:
    """Provide a network card with virtual functions, in a sysfs and a netlink of the test.

    See :func:`os_vif.testing.fake_card.card`. The privileged daemons see the same sysfs.
    """
    from os_vif.testing import fake_card

    with fake_card.card(tmp_path / "sys") as created:
        created.shown(monkeypatch)
        yield created


@pytest.fixture
def guest(host: Host) -> Iterator[Guest]:
    """Provide a guest: a process in a network namespace of its own, which pings."""
    from os_vif.testing import guests

    with guests.Guest() as created:
        yield created
