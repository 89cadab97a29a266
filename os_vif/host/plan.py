# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plan is a tuple of steps; a step is one thing that has to hold on the host."""

from __future__ import annotations

import abc
import dataclasses
import errno
import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from os_vif.host import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink import Link, Netlink
    from os_vif.host.ovs_stream import Tls


#: The alias (``ip link show``) of every device that os-vif made.
MARK = "os-vif"


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
class PlanStep(abc.ABC):
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
class Step(PlanStep):
    """One thing that has to hold in the kernel. It is sent to the privileged side."""

    #: Whether only root can see if it holds.
    read_by_root: ClassVar[bool] = False

    @abc.abstractmethod
    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        """What does not hold now. It changes nothing.

        It needs no right, unless ``read_by_root`` is true.
        """

    def holds(self, net: Netlink) -> bool:
        """Whether :meth:`apply` would change nothing."""
        return not self.read_by_root and not self.differences(net)

    @abc.abstractmethod
    def apply(self, net: Netlink) -> tuple[Step, ...]:
        """Make it hold.

        :returns: the steps that undo what was changed, in the order to run them; none if it held.
        :raises OSError: if the kernel refuses; then nothing was changed.
        """


@dataclasses.dataclass(frozen=True)
class Lost(Step):
    """What stands for the undo of what cannot be undone: it fails, and so is told."""

    name: str
    what: str

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.text(self, "what", 400)

    def commands(self) -> tuple[str, ...]:
        return (f"# {self.name}: {self.what}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return ()

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        raise OSError(errno.EOPNOTSUPP, "os-vif cannot undo that")


@dataclasses.dataclass(frozen=True)
class Switch:
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

    :param switch: for a plan that has steps of ``os_vif.host.ovs_steps``.
    :param forward: whether the plan goes on when the database has a change that ovs-vswitchd has
        not carried out in time, as an unplug does. A plan that does not is rolled back.
    :param awaits: steps of the hypervisor, not of os-vif. The engine never runs them; ``check``
        tells their differences too.
    """

    steps: tuple[PlanStep, ...]
    switch: Switch | None
    forward: bool
    awaits: tuple[PlanStep, ...] = dataclasses.field(compare=False)

    def __init__(
        self,
        *steps: PlanStep,
        switch: Switch | None = None,
        forward: bool = False,
        awaits: tuple[PlanStep, ...] = (),
    ) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "switch", switch)
        object.__setattr__(self, "forward", forward)
        object.__setattr__(self, "awaits", awaits)

    def going_forward(self) -> Plan:
        """Return the plan of an unplug: the same steps, with ``forward`` set."""
        return Plan(*self.steps, switch=self.switch, forward=True, awaits=self.awaits)

    def __iter__(self) -> Iterator[PlanStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return "\n".join(command for step in self.steps for command in step.commands())


def encode(step: Step) -> list[Any]:
    """A step as plain data, for the way to the privileged side. What has its default is left out."""
    arguments = {
        field.name: value
        for field in dataclasses.fields(step)
        if (value := getattr(step, field.name)) != field.default
    }
    return [type(step).__name__, arguments]


#: How a name stands in a command: most characters are good for one, as the kernel has it.
quote = shlex.quote


def kind_of(link: Link) -> str:
    """What a device is, for an error."""
    return f"a device of kind {link.kind}" if link.kind else "a hardware device"
