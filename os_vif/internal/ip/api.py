# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network devices, one call each, with the rights that the caller has.

Plugins call it in privileged daemons of their own. Nothing is undone, and no daemon of os-vif is
asked: that is what plans are for.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence

from os_vif import exception
from os_vif.host import netlink, validate
from os_vif.host.netlink import Netlink
from os_vif.host.plan import Step
from os_vif.host.steps import EnsureBridge, EnsureTap, EnsureVeth, EnsureVlan, SetLink

__all__ = ["ip"]


class _Ip:
    """In ``check_exit_code`` are the errors (errno) that count as done, beside 0.

    :raises os_vif.exception.NetworkInterfaceNotFound: if a device is not there.
    :raises pyroute2.netlink.exceptions.NetlinkError: if the kernel refuses.
    :raises os_vif.exception.InvalidStep: for what no device may have.
    """

    def exists(self, device: str) -> bool:
        """Whether there is a device of that name in this network namespace."""
        if not validate.is_device_name(device):
            return False
        with netlink.opened() as net:
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
        """Make a device.

        :param dev_type: ``veth`` (with its ``peer``), ``vlan`` (``link``, ``vlan_id``), ``bridge``
            (``ageing``, in hundredths of a second), or ``tuntap`` (``mode`` is ``tap``; ``multiqueue``).
        :raises os_vif.exception.NetworkInterfaceTypeNotDefined: for any other.
        """
        make: dict[str, Callable[[], Step]] = {
            "veth": lambda: EnsureVeth(device, peer or ""),
            "vlan": lambda: EnsureVlan(device, link or "", vlan_id or 0),
            "bridge": lambda: EnsureBridge(device, ageing=_seconds(ageing)),
            "tuntap": lambda: EnsureTap(device, multiqueue),
        }
        if dev_type not in make or (dev_type == "tuntap" and mode != "tap"):
            raise exception.NetworkInterfaceTypeNotDefined(type=dev_type)
        step = make[dev_type]()
        with _opened(check_exit_code) as net:
            if link is not None:
                _require(net, link)
            if net.link(device) is not None:
                raise OSError(errno.EEXIST, f"there is a device {device} already")
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
        """Change a device.

        :param state: ``up`` or ``down``.
        :param mtu: bytes.
        :param address: its MAC address.
        :param master: the bridge that it joins. One that is in another is not taken from there.
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
        """Delete a device, whoever made it."""
        with _opened(check_exit_code) as net:
            _require(net, device)
            net.delete(net.require(device))


def _seconds(hundredths: int | None) -> int | None:
    if hundredths is None:
        return None
    seconds, rest = divmod(hundredths, 100)
    if rest:
        raise exception.InvalidField(
            field="ageing", found=hundredths, expected="whole seconds, in hundredths of one"
        )
    return seconds


def _require(net: Netlink, device: str) -> None:
    if net.link(device) is None:
        raise exception.NetworkInterfaceNotFound(interface=device)


@contextlib.contextmanager
def _opened(tolerated: Sequence[int] | None) -> Iterator[Netlink]:
    """A socket, and errors as they always were here."""
    try:
        with netlink.opened() as net:
            yield net
    except OSError as error:
        if error.errno in (tolerated or ()):
            return
        from pyroute2.netlink.exceptions import NetlinkError

        raise NetlinkError(error.errno, error.strerror) from error


ip = _Ip()
