# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plans, the base class of steps, and the differences between a step and the host."""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ClassVar

from os_vif.steps.trust import is_trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.remotes import Opener
    from os_vif.host.ovsdb.tls import Tls
    from os_vif.host.state.vif_records import VifRecord


@dataclasses.dataclass(frozen=True)
class Difference:
    """A setting that a step requires and the host does not have."""

    #: Class of the step, such as ``SetLink``.
    step: str
    #: Name of the network interface, bridge or port.
    device: str
    #: Name of the setting: ``MTU``, ``state``, or the name of a sysctl.
    attribute: str
    #: Present value, as text.
    found: str
    #: Required value, as text.
    expected: str
    #: True if the hypervisor has to act first. A pending difference is no fault.
    pending: bool = False

    def __str__(self) -> str:
        waits = " (waits for the hypervisor)" if self.pending else ""
        return f"{self.device}: {self.attribute} is {self.found}, should be {self.expected}{waits}"


@dataclasses.dataclass(frozen=True)
class Step(abc.ABC):
    """Base class of all steps: a condition of the host, as a frozen dataclass.

    Steps are plain data: steps with equal fields are equal, and ``repr()`` shows all fields.

    :raises os_vif.exception.InvalidStep: if an argument is outside the permitted range.
    """

    #: The executor of the engine that applies the step: ``kernel`` or ``ovs``.
    executor: ClassVar[str]

    def __post_init__(self) -> None:
        if not is_trusted():
            self.validate()

    @property
    @abc.abstractmethod
    def device(self) -> str:
        """Name of the network interface, bridge or port of the step, for errors."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Names that the engine locks: plans with a common name run one after another."""
        return (self.device,)

    @abc.abstractmethod
    def validate(self) -> None:
        """Check the fields. Called by the constructor.

        :raises os_vif.exception.InvalidStep: if a field is outside the permitted range.
        """

    @abc.abstractmethod
    def commands(self) -> tuple[str, ...]:
        """Return shell commands with the same effect as the step."""

    def difference(
        self, attribute: str, found: object, expected: object, pending: bool = False
    ) -> Difference:
        """Return a difference of the step; *found* and *expected* are converted to text."""
        return Difference(
            type(self).__name__, self.device, attribute, str(found), str(expected), pending
        )


@functools.cache
def arguments_of(step: type[Step]) -> tuple[tuple[str, Any], ...]:
    """Return the name and the default value of each argument of a class of steps.

    The default of a required argument is ``dataclasses.MISSING``.
    """
    return tuple((field.name, field.default) for field in dataclasses.fields(step))


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
    """The Open vSwitch of a plan: the address of ovs-vswitchd's database, and how to wait."""

    #: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` of ovsdb-server; for a cluster, the
    #: addresses of all servers, separated by commas.
    connection: str
    #: Timeout in seconds for all requests of a plan; 0 means no timeout.
    timeout: float = 120
    #: Files for ``ssl:``.
    tls: Tls | None = None
    #: Wait until ovs-vswitchd has applied the changes.
    wait: bool = True
    #: Connects to the path of a unix socket that the calling process may not open; None to open
    #: the socket only in the calling process.
    opener: Opener | None = None


@dataclasses.dataclass(frozen=True, init=False)
class Plan:
    """A tuple of steps in the order of execution. ``str(plan)`` shows equivalent shell commands.

    :param steps: the steps.
    :param switch: the Open vSwitch; required for steps of Open vSwitch.
    :param forward: continue after a refused step, and keep committed changes that ovs-vswitchd
        has not applied before the timeout, as an unplug does. False rolls back instead.
    :param awaits: conditions that the hypervisor establishes. The engine does not run the steps;
        ``check`` reports the differences.
    :param record: the record of the VIF, which the engine writes before the first change of a
        plug, and deletes after the last change of an unplug (*forward*). ``os_vif.plan()`` returns
        plans without a record.
    """

    steps: tuple[Step, ...]
    switch: OvsdbTarget | None
    forward: bool
    awaits: tuple[Step, ...] = dataclasses.field(compare=False)
    record: VifRecord | None = dataclasses.field(compare=False, repr=False)

    def __init__(
        self,
        *steps: Step,
        switch: OvsdbTarget | None = None,
        forward: bool = False,
        awaits: tuple[Step, ...] = (),
        record: VifRecord | None = None,
    ) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "switch", switch)
        object.__setattr__(self, "forward", forward)
        object.__setattr__(self, "awaits", awaits)
        object.__setattr__(self, "record", record)

    def going_forward(self) -> Plan:
        """Return a plan with the same steps and ``forward=True``, for an unplug."""
        return Plan(
            *self.steps,
            switch=self.switch,
            forward=True,
            awaits=self.awaits,
            record=self.record,
        )

    def with_record(self, record: VifRecord | None) -> Plan:
        """Return a plan with the same steps and the record of a VIF."""
        # A copy of the attributes is faster than the constructor.
        plan = object.__new__(type(self))
        plan.__dict__.update(self.__dict__, record=record)
        return plan

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return "\n".join(command for step in self.steps for command in step.commands())
