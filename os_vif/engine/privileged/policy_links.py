# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for steps on the devices of VIFs. See :mod:`os_vif.engine.privileged.policy`.

A rule raises :class:`OSError` with EPERM for a step that the daemon must not apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.engine.privileged.host_view import refused
from os_vif.steps.link import move_link

if TYPE_CHECKING:
    from os_vif import steps as known
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plugin_step import Host

FOREIGN = "it is neither os-vif's, nor a VIF's by its name, nor a virtual function"


def rename(host: Host, step: known.RenameLink) -> None:
    """Permit new names for devices of VIFs through which the host is not reached."""
    link = host.link(step.name)
    if link is None:
        return
    if not host.is_vif(link):
        raise refused(step, FOREIGN)
    if host.is_hosts(link):
        raise refused(step, "the host uses it")


def move(host: Host, step: known.MoveLink) -> None:
    """Permit to move a VIF's device to a network namespace of root."""
    link = host.link(step.name)
    if link is not None:
        if not host.is_vif(link):
            raise refused(step, FOREIGN)
        if host.is_hosts(link):
            raise refused(step, "the host uses it")
    move_link.require_root_owned(step)


def below(host: Host, step: known.EnsureMacvlan | known.EnsureIpvlan) -> None:
    """Permit devices on top of a VIF's device."""
    link = host.link(step.link)
    if link is not None and not host.is_vif(link):
        raise refused(step, f"{link.name} below it is none of a VIF")


def own_devices(host: Host, step: KernelStep) -> None:
    """Permit a step on devices of VIFs through which the host is not reached."""
    for name in step.devices:
        link = host.link(name)
        if link is None:
            continue
        if not host.is_vif(link):
            raise refused(step, f"{name}: {FOREIGN}")
        if host.is_hosts(link):
            raise refused(step, f"the host uses {name}")
