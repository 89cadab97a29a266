# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Scheduler for pytest-xdist: a worker for each file, and a single worker for virtual machines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling


class Distribution(LoadScopeScheduling):
    """Scheduler that gives the tests of a file to the same worker, in order, because of fixtures.

    A single worker waits for the tests of virtual machines, after all other tests are distributed.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: object,
        scenarios: Callable[[], dict[str, list[str]]],
    ) -> None:
        super().__init__(config, log)
        self._scenarios = scenarios
        self._guests: dict[str, str] = {}

    def schedule(self) -> None:
        # The order of collection, as tests.vm.plugin sorts the tests.
        self.config.option.loadscopereorder = False
        for name, nodeids in self._scenarios().items():
            self._guests.update(dict.fromkeys(nodeids, f"vm {name}"))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._guests.get(nodeid) or nodeid.partition("::")[0]
