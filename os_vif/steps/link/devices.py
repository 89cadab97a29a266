# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Base classes of the steps that create and delete network devices.

A created device is marked with the alias ``os-vif``. Until the mark is set, the group of the
device tells that os-vif created the device. Deletion leaves devices without a mark alone, unless
the step says otherwise.
"""

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
    """A device of a name and a kind exists. The settings of the device are given at creation only.

    :raises OSError: with EEXIST if a different device has the name.
    """

    def validate(self) -> None:
        validate.device_name(self, "name")

    @abc.abstractmethod
    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        """Return in words how a device differs from the expected device; None if as expected."""

    @property
    @abc.abstractmethod
    def _expected(self) -> str:
        """The expected device, in words."""

    @abc.abstractmethod
    def _create(self, net: Netlink) -> Link:
        """Create the device and mark the device."""

    @abc.abstractmethod
    def _deletion(self, created: Link) -> DeleteDevice:
        """Return the step that undoes the creation."""

    @property
    def created_names(self) -> tuple[str, ...]:
        """Names of the devices that the step creates."""
        return (self.name,)

    def _create_new(self, net: Netlink) -> Link | None:
        """Create the device; return None if another process created a device of the name first."""
        try:
            return self._create(net)
        except OSError as error:
            if error.errno == errno.EEXIST:
                if net.link(self.name) is not None:
                    return None
                net.require_free(*self.created_names)
            raise

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), self._expected),)
        found = self._mismatch(net, link)
        return () if found is None else (self.difference("device", found, self._expected),)

    def holds(self, net: Netlink) -> bool:
        link = net.link(self.name)
        return link is not None and link.group != CREATING_GROUP and not self.differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.link(self.name)
        if link is None:
            created = self._create_new(net)
            if created is not None:
                return (self._deletion(created),)
            link = net.require(self.name)
        found = self._mismatch(net, link)
        if found is not None:
            raise OSError(errno.EEXIST, f"{self.name} is {found}, not {self._expected}")
        if link.group == CREATING_GROUP:
            # The process that created the device was killed before the process could mark it.
            net.mark(link)
        return ()


@dataclasses.dataclass(frozen=True)
class DeleteDevice(NamedStep, KernelStep):
    """A device that os-vif created does not exist."""

    #: Index of the device; a device with another index stays. None is any index.
    index: int | None = None
    #: Delete a device without the mark of os-vif too, if the name of the device is a name of one
    #: VIF's device: the public os-vif, which sets no marks, may have created the device.
    include_unmanaged: bool = False

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "index", 1, 2**31 - 1, optional=True)
        validate.boolean(self, "include_unmanaged")

    @abc.abstractmethod
    def _is_target(self, net: Netlink, link: Link) -> bool:
        """Return whether the step deletes a device, given that the device may be os-vif's."""

    @abc.abstractmethod
    def _recreate_steps(self, net: Netlink, link: Link) -> tuple[KernelStep, ...]:
        """Return the steps that recreate a device with the current settings."""

    def _is_in_use(
        self, net: Netlink, link: Link, without_users: frozenset[str] = frozenset()
    ) -> bool:
        """Return whether a device stays for a reason of :meth:`apply` alone.

        :param without_users: ids of recorded VIFs to leave out.
        """
        return False

    def _target(self, net: Netlink) -> Link | None:
        """Return the device to delete, or None."""
        link = net.link(self.name)
        if link is None or self.index not in (None, link.index):
            return None
        # Another program may have given the device any name that is no name of a VIF's device.
        if not (
            link.is_managed or (self.include_unmanaged and validate.VIF_NAME.fullmatch(link.name))
        ):
            return None
        return link if self._is_target(net, link) else None

    def deletable(self, net: Netlink, without_users: frozenset[str] = frozenset()) -> Link | None:
        """Return the device for deletion by :meth:`apply`, or None. The host is not changed.

        :param without_users: ids of recorded VIFs to leave out, because earlier steps of the plan
            remove the records.
        """
        link = self._target(net)
        return None if link is None or self._is_in_use(net, link, without_users) else link

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = self._target(net)
        if link is None or self._is_in_use(net, link):
            return ()
        try:
            undo = self._recreate_steps(net, link)
        except OSError as error:
            # Another program may delete the device, or the peer of the device, at any moment.
            net.invalidate_cache()
            if error.errno != errno.ENODEV or net.link_at(link.index) is not None:
                raise
            return ()
        return undo if net.delete(link) else ()
