# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plan is a tuple of steps; a step is one thing that has to hold on the host."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.tls import Tls


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that a step wants and the host does not have."""

    #: The step's class, such as ``SetLink``.
    step: str
    #: The network device.
    device: str
    #: What of it: ``MTU``, ``state``, a sysctl's name.
    attribute: str
    found: str
    expected: str
    #: Whether this waits for the hypervisor, and is no fault.
    pending: bool = False

    def __str__(self) -> str:
        waits = " (waits for the hypervisor)" if self.pending else ""
        return f"{self.device}: {self.attribute} is {self.found}, should be {self.expected}{waits}"


@dataclasses.dataclass(frozen=True)
class Step(abc.ABC):
    """One thing that has to hold on the host. Its arguments are checked when it is made.

    Steps are plain data: they are compared and printed.

    :raises os_vif.exception.InvalidStep: for arguments that no plan may have.
    """

    def __post_init__(self) -> None:
        self.validate()

    @property
    @abc.abstractmethod
    def device(self) -> str:
        """The network device that the step is about."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The network devices that nobody else's plan may touch meanwhile."""
        return (self.device,)

    @abc.abstractmethod
    def validate(self) -> None:
        """:raises os_vif.exception.InvalidStep: for arguments that no plan may have."""

    @abc.abstractmethod
    def commands(self) -> tuple[str, ...]:
        """What one would type to the same end."""

    def difference(
        self, attribute: str, found: object, expected: object, pending: bool = False
    ) -> Difference:
        return Difference(
            type(self).__name__, self.device, attribute, str(found), str(expected), pending
        )


@dataclasses.dataclass(frozen=True)
class NamedStep(Step):
    """Base class of a step about the network device, or the port, called *name*."""

    #: Name of the device.
    name: str

    @property
    def device(self) -> str:
        """Return the name of the device."""
        return self.name


@dataclasses.dataclass(frozen=True)
class OvsdbTarget:
    """Where the Open vSwitch of a plan is."""

    #: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` of its database; those of a cluster
    #: with commas.
    connection: str
    #: Seconds that all of a plan may take there; 0 waits for ever.
    timeout: float = 120
    #: For ``ssl:``.
    tls: Tls | None = None
    #: Whether a plan has ended only when vswitchd has carried it out.
    wait: bool = True
    #: Import path of the module whose ``connect`` opens a ``unix:PATH`` that this process may not
    #: open; None if nothing does.
    opener: str | None = None


@dataclasses.dataclass(frozen=True, init=False)
class Plan:
    """Steps, in the order in which they are run. ``str()`` shows them as commands.

    :param switch: for a plan that has steps of ``os_vif.steps.ovs.ports``.
    :param forward: whether the plan goes on when the database has a change that ovs-vswitchd has
        not carried out in time, as an unplug does. A plan that does not is rolled back.
    :param awaits: steps of the hypervisor, not of os-vif. The engine never runs them; ``check``
        tells their differences too.
    """

    steps: tuple[Step, ...]
    switch: OvsdbTarget | None
    forward: bool
    awaits: tuple[Step, ...] = dataclasses.field(compare=False)

    def __init__(
        self,
        *steps: Step,
        switch: OvsdbTarget | None = None,
        forward: bool = False,
        awaits: tuple[Step, ...] = (),
    ) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "switch", switch)
        object.__setattr__(self, "forward", forward)
        object.__setattr__(self, "awaits", awaits)

    def going_forward(self) -> Plan:
        """Return the plan of an unplug: the same steps, with ``forward`` set."""
        return Plan(*self.steps, switch=self.switch, forward=True, awaits=self.awaits)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return "\n".join(command for step in self.steps for command in step.commands())
