# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""How pytest-xdist distributes the tests: a file to a worker, and a virtual machine to one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling


class Distribution(LoadScopeScheduling):
    """Tests of one file share what its fixtures have made, and run in one worker, in their order.

    Those of a virtual machine are waited for by one worker, when the others are given out.
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
        # In the order in which the tests were collected, which is that of tests.vm.plugin.
        self.config.option.loadscopereorder = False
        for name, nodeids in self._scenarios().items():
            self._guests.update(dict.fromkeys(nodeids, f"vm {name}"))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._guests.get(nodeid) or nodeid.partition("::")[0]
