# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks kernel steps in a process of root, without a call of the privileged daemon."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from os_vif.escape import described_error
from os_vif.host.netlink import pod_namespaces, rtnetlink
from os_vif.steps.trust import trusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.engine.executor import Checker
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Difference

LOG = logging.getLogger(__name__)


class RootChecker:
    """Reads the conditions of steps in the calling process, which has the rights of root.

    The calling thread enters the network namespaces of pods. Not for a process with green threads.

    :param other: checks the steps after an error of a read. The checker may have more rights, or
        raises the error with the step.
    """

    def __init__(self, other: Checker[KernelStep]) -> None:
        self._other = other

    def check(self, steps: Sequence[KernelStep]) -> list[Difference]:
        """Return the differences of steps. Changes nothing.

        :raises StepFailure: if a condition cannot be read.
        """
        try:
            with (
                pod_namespaces.keeping(),
                rtnetlink.opened() as uncached,
                uncached.cached() as net,
                # Reading makes steps from values of the kernel.
                trusted(),
            ):
                return [difference for step in steps for difference in step.differences(net)]
        except OSError as error:
            LOG.debug("The conditions cannot be read here: %s", described_error(error))
            return self._other.check(steps)
