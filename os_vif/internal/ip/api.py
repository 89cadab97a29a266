# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Functions of the public os-vif on network interfaces of the current network namespace.

Each call runs in the calling process, with the privileges of the caller. Plugins outside os-vif
call ``ip`` in private privileged daemons. Calls are not rolled back: use plans for rollback.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence

from os_vif import exception
from os_vif.host import limits
from os_vif.host.netlink import rtnetlink
from os_vif.host.netlink.rtnetlink import Netlink
from os_vif.steps import EnsureBridge, EnsureTap, EnsureVeth, EnsureVlan, SetLink
from os_vif.steps.kernel_step import KernelStep

__all__ = ["ip"]


class _Ip:
    """The functions. ``check_exit_code`` lists errno values that a function ignores.

    Functions that change a device raise:

    :raises os_vif.exception.NetworkInterfaceNotFound: if a named device does not exist.
    :raises pyroute2.netlink.exceptions.NetlinkError: if the kernel refuses the change.
    :raises os_vif.exception.InvalidStep: if a name or a value is outside the kernel's range.
    """

    def exists(self, device: str) -> bool:
        """Return whether the network namespace has a device of the name."""
        if not limits.is_device_name(device):
            return False
        with rtnetlink.opened() as net:
            return net.link(device) is not None

    def add(
        self,
        device: str,
        dev_type: str,
        check_exit_code: Sequence[int] | None = None,
        peer: str | None = None,
        link: str | None = None,
        vlan_id: int | None = None,
        ageing: int | None = None,
        mode: str | None = None,
        multiqueue: bool = False,
    ) -> None:
        """Create a device.

        :param dev_type: ``veth`` (with ``peer``), ``vlan`` (with ``link`` and ``vlan_id``),
            ``bridge`` (with ``ageing``) or ``tuntap`` (with ``mode`` and ``multiqueue``).
        :param check_exit_code: errno values to ignore.
        :param peer: name of the second device of a veth pair.
        :param link: name of the device below a VLAN device.
        :param vlan_id: VLAN identifier, 1 to 4094.
        :param ageing: ageing time of a bridge, in hundredths of a second; whole seconds only.
        :param mode: ``tap``.
        :param multiqueue: create a tap device with several queues.
        :raises os_vif.exception.NetworkInterfaceTypeNotDefined: if the type is none of these.
        """
        create: dict[str, Callable[[], KernelStep]] = {
            "veth": lambda: EnsureVeth(device, peer or ""),
            "vlan": lambda: EnsureVlan(device, link or "", vlan_id or 0),
            "bridge": lambda: EnsureBridge(device, ageing=_seconds(ageing)),
            "tuntap": lambda: EnsureTap(device, multiqueue),
        }
        if dev_type not in create or (dev_type == "tuntap" and mode != "tap"):
            raise exception.NetworkInterfaceTypeNotDefined(type=dev_type)
        step = create[dev_type]()
        with _opened(check_exit_code) as net:
            if link is not None:
                _require(net, link)
            if net.link(device) is not None:
                raise OSError(errno.EEXIST, f"device {device} exists already")
            step.apply(net)

    def set(
        self,
        device: str,
        check_exit_code: Sequence[int] | None = None,
        state: str | None = None,
        mtu: int | None = None,
        address: str | None = None,
        promisc: bool | None = None,
        master: str | None = None,
    ) -> None:
        """Change settings of a device. None leaves a setting unchanged.

        :param check_exit_code: errno values to ignore.
        :param state: ``up`` or ``down``.
        :param mtu: MTU in bytes.
        :param address: MAC address.
        :param promisc: promiscuous mode.
        :param master: bridge of the device. A device in another bridge is not moved.
        """
        step = SetLink(
            device,
            mtu=mtu,
            up=None if state is None else state == "up",
            address=None if address is None else address.lower(),
            promiscuous=promisc,
            master=master,
        )
        with _opened(check_exit_code) as net:
            _require(net, device)
            if master is not None:
                _require(net, master)
            step.apply(net)

    def delete(self, device: str, check_exit_code: Sequence[int] | None = None) -> None:
        """Delete a device, including devices that os-vif did not create."""
        with _opened(check_exit_code) as net:
            _require(net, device)
            net.delete(net.require(device))


def _seconds(hundredths: int | None) -> int | None:
    """Convert an ageing time from hundredths of a second to seconds.

    :raises os_vif.exception.InvalidField: if the time is not a whole number of seconds.
    """
    if hundredths is None:
        return None
    seconds, rest = divmod(hundredths, 100)
    if rest:
        raise exception.InvalidField(
            field="ageing", found=hundredths, expected="a multiple of 100 (whole seconds)"
        )
    return seconds


def _require(net: Netlink, device: str) -> None:
    """Raise NetworkInterfaceNotFound unless a device exists."""
    if net.link(device) is None:
        raise exception.NetworkInterfaceNotFound(interface=device)


@contextlib.contextmanager
def _opened(tolerated: Sequence[int] | None) -> Iterator[Netlink]:
    """Open a netlink socket, and convert OSError to the error class of the public os-vif.

    :param tolerated: errno values that end the block without an error.
    """
    try:
        with rtnetlink.opened() as net:
            yield net
    except OSError as error:
        if error.errno in (tolerated or ()):
            return
        from pyroute2.netlink.exceptions import NetlinkError

        raise NetlinkError(error.errno, error.strerror) from error


ip = _Ip()
