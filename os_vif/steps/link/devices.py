# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What all steps have in common that make a network device, or delete one."""

from __future__ import annotations

import abc
import dataclasses
import errno
from typing import TYPE_CHECKING

from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureDevice(NamedStep, KernelStep):
    """A device of that name and kind exists. What it is made of is given at creation only."""

    def validate(self) -> None:
        validate.device_name(self, "name")

    @abc.abstractmethod
    def _lacks(self, net: Netlink, link: Link) -> str | None:
        """What the device of that name is instead; None if it is what the step asks for."""

    @property
    @abc.abstractmethod
    def _expected(self) -> str:
        """What the device should be, in words."""

    @abc.abstractmethod
    def _create(self, net: Netlink) -> Link:
        """Make it, with its mark."""

    @abc.abstractmethod
    def _deletion(self, made: Link) -> DeleteDevice:
        """What undoes that."""

    @property
    def made(self) -> tuple[str, ...]:
        """The names of the devices that are made."""
        return (self.name,)

    def _create_new(self, net: Netlink) -> Link | None:
        """:returns: the new device; None if there is one meanwhile."""
        try:
            return self._create(net)
        except OSError as error:
            if error.errno == errno.EEXIST:
                if net.link(self.name) is not None:
                    return None
                net.require_free(*self.made)
            raise

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), self._expected),)
        lacks = self._lacks(net, link)
        return () if lacks is None else (self.difference("device", lacks, self._expected),)

    def holds(self, net: Netlink) -> bool:
        link = net.link(self.name)
        return link is not None and link.group != CREATING_GROUP and not self.differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.link(self.name)
        if link is None:
            made = self._create_new(net)
            if made is not None:
                return (self._deletion(made),)
            # Somebody was faster.
            link = net.require(self.name)
        lacks = self._lacks(net, link)
        if lacks is not None:
            raise OSError(errno.EEXIST, f"{self.name} is {lacks}, not {self._expected}")
        if link.group == CREATING_GROUP:
            # Whoever made it was stopped before it could say so.
            net.mark(link)
        return ()


@dataclasses.dataclass(frozen=True)
class DeleteDevice(NamedStep, KernelStep):
    """A device that os-vif made is gone."""

    #: Only the device of this index; None is whichever has the name.
    index: int | None = None
    #: Also one without our mark: its name says that it is one VIF's, and the public os-vif, which
    #: made no marks, may have made it.
    include_unmanaged: bool = False

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "index", 1, 2**31 - 1, optional=True)
        validate.boolean(self, "include_unmanaged")

    @abc.abstractmethod
    def _is_target(self, net: Netlink, link: Link) -> bool:
        """Whether a device of ours is one that the step deletes."""

    @abc.abstractmethod
    def _again(self, net: Netlink, link: Link) -> tuple[KernelStep, ...]:
        """The steps that make a device as it is now."""

    def _stays(self, net: Netlink, link: Link) -> bool:
        """Whether somebody uses it, as far as only the privileged side looks."""
        return False

    def _target(self, net: Netlink) -> Link | None:
        link = net.link(self.name)
        if link is None or self.index not in (None, link.index):
            return None
        # Any other name, another program may have given.
        if not (link.ours or (self.include_unmanaged and validate.VIF_NAME.fullmatch(link.name))):
            return None
        return link if self._is_target(net, link) else None

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = self._target(net)
        if link is None or self._stays(net, link):
            return ()
        again = self._again(net, link)
        return again if net.delete(link) else ()
