# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that moves a network device into another network namespace."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.netlink import namespaces
from os_vif.steps import validate
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink


@dataclasses.dataclass(frozen=True)
class MoveLink(NamedStep, KernelStep):
    """A device is in another network namespace, under the same name.

    The kernel removes the device from the bridge, sets the device down and drops the addresses.
    The change cannot be undone, since fetching the device back takes privileges in the target
    namespace: the step belongs at the end of a plan.

    :raises OSError: with ENODEV if the device is missing; with EEXIST if a device of the name, or
        of an alternative name of the device, exists in the target namespace.

    Equivalent to: ``ip link set dev NAME netns NETNS``
    """

    #: The target network namespace: the id of a process in the namespace, or a name in
    #: ``/run/netns``.
    netns: str

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.file_name(self, "netns")
        if self.netns.isdecimal():
            validate.process(self, "netns")

    def commands(self) -> tuple[str, ...]:
        return (f"ip link set dev {quote(self.name)} netns {quote(self.netns)}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        # Reading the target namespace takes privileges. A device missing here counts as moved.
        if net.link(self.name) is None:
            return ()
        return (self.difference("network namespace", "this one", self.netns),)

    def holds(self, net: Netlink) -> bool:
        # Reading the target namespace takes privileges.
        return False

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        with self._namespace_attribute() as (kind, target):
            number = namespaces.require_number(net, {f"NETNSA_{kind}": target})
            link = net.link(self.name)
            moved = namespaces.link_in(net, number, self.name) is not None
            if link is None and moved:
                return ()
            if link is None:
                raise OSError(errno.ENODEV, net.absence(self.name))
            if moved:
                raise OSError(errno.EEXIST, f"{self.netns} has a device {self.name} already")
            try:
                net.change(link, {f"IFLA_NET_NS_{kind}": target})
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                reason = (
                    f"{self.name}, or an alternative name of {self.name}, is an alternative name of a"
                    f" device in {self.netns}"
                )
                raise OSError(errno.EEXIST, reason) from error
        return (Irreversible(self.name, f"now in the network namespace {self.netns}"),)

    @contextmanager
    def _namespace_attribute(self) -> Iterator[tuple[str, int]]:
        """Return the kind and the value of the attribute for the target namespace.

        A file descriptor is closed at the end of the block.
        """
        if self.netns.isdecimal():
            # Opening the namespace of a process takes more privileges than naming the process.
            yield "PID", int(self.netns)
            return
        path = f"/run/netns/{self.netns}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from error
        try:
            yield "FD", file
        finally:
            os.close(file)


def require_root_owned(step: MoveLink) -> None:
    """Raise EPERM if a user other than root owns the network namespace that a device moves to."""
    path = f"/proc/{step.netns}/ns/net" if step.netns.isdecimal() else f"/run/netns/{step.netns}"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        # The process has more privileges than the daemon. A process in the daemon's user namespace
        # has entered no network namespace of another user, which takes privileges in both.
        if step.netns.isdecimal() and namespaces.shares_user_namespace(step.netns):
            return
        raise _not_owned_by_root(step, "the owner cannot be read") from None
    except OSError:
        # The step fails with the reason.
        return
    try:
        owner = namespaces.owner(file)
    except OSError as error:
        raise _not_owned_by_root(step, f"the owner cannot be read: {error.strerror}") from error
    finally:
        os.close(file)
    if owner != 0:
        raise _not_owned_by_root(step, f"the owner is the user {owner}")


def _not_owned_by_root(step: MoveLink, reason: str) -> OSError:
    text = (
        f"not permitted for {step.name}: the network namespace {step.netns} is not owned by root"
    )
    return OSError(errno.EPERM, f"{text}: {reason}")
