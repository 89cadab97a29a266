# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network namespace of a pod, and the result of a plug into a pod. Plain data.

The module needs the standard library only.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any


def identity_of(status: os.stat_result) -> str:
    """Return the identity of a namespace file, ``DEVICE:INODE``, from the status of the file."""
    return f"{status.st_dev}:{status.st_ino}"


class _Descriptor:
    """A descriptor that refers to a file, closed with the object. Copies share the descriptor."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __copy__(self) -> _Descriptor:
        return self

    def __deepcopy__(self, memo: object) -> _Descriptor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process has no such descriptor.
        return type(None), ()

    def __del__(self) -> None:
        os.close(self._number)


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """The network namespace of a pod, and the name of the pod's interface.

    The constructor notes device and inode of the file, and the object refers to the namespace while
    the object exists, so the kernel uses the inode for no other namespace. A later call of
    :func:`os_vif.plug_pod` raises an error if the path names another namespace by then, because the
    pod has ended and the name or the process id was used again.

    The kernel keeps an ended namespace while an object refers to the namespace: do not keep a
    Sandbox for the lifetime of a pod.
    """

    #: Path of the file of the network namespace: ``/run/netns/NAME`` or ``/proc/PID/ns/net``.
    #: :func:`os_vif.unplug_pod` accepts None, and the path of a namespace that has gone.
    netns: str | None
    #: Name of the interface in the pod, such as ``eth0``.
    ifname: str
    #: Set the default routes, from the gateways of the VIF's subnets.
    default_gateway: bool = False
    #: Addresses of the host with prefix lengths, such as ``10.0.0.1/24``, for the Linux bridge of a
    #: VIF: the host is the gateway of the pods, and forwards IPv4 packets. The bridge has to be
    #: created by os-vif, and is deleted with the addresses.
    bridge_addresses: tuple[str, ...] = ()
    #: ``DEVICE:INODE`` of the namespace file; None if the file did not exist.
    identity: str | None = dataclasses.field(init=False, default=None, compare=False, repr=False)

    _file: _Descriptor | None = dataclasses.field(
        init=False, default=None, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.netns, str) or not self.netns:
            return
        try:
            # Refers to the file without opening the file: os_vif.plug_pod() checks the type.
            number = os.open(self.netns, os.O_PATH | os.O_CLOEXEC)
        except (OSError, ValueError):
            return
        object.__setattr__(self, "_file", _Descriptor(number))
        object.__setattr__(self, "identity", identity_of(os.fstat(number)))


@dataclasses.dataclass(frozen=True)
class PodAddress:
    """An address of a pod."""

    #: Address with the prefix length of the subnet, such as ``10.0.0.5/24``.
    address: str
    #: The gateway of the subnet, or None.
    gateway: str | None = None


@dataclasses.dataclass(frozen=True)
class PodRoute:
    """A route of a pod."""

    #: Network with prefix length; ``0.0.0.0/0`` or ``::/0`` is the default route.
    destination: str
    #: Address of the gateway, or None for a network on the link.
    gateway: str | None = None


@dataclasses.dataclass(frozen=True)
class PodResult:
    """The interface of a pod after :func:`os_vif.plug_pod`, with the values of a CNI result."""

    #: Name of the interface in the pod; None for a VIF without an interface, such as vhost-user.
    name: str | None
    #: MAC address, or None.
    mac: str | None
    #: MTU in bytes, or None for the kernel's default.
    mtu: int | None
    #: Name of the interface on the host: the host end of a veth pair, or the device below a
    #: macvlan or VLAN device. None for a device without a part on the host.
    host_name: str | None
    #: Path of the network namespace with the interface.
    netns: str | None
    addresses: tuple[PodAddress, ...] = ()
    routes: tuple[PodRoute, ...] = ()
    #: Addresses of name servers, for the runtime. os-vif writes no file in the pod.
    dns: tuple[str, ...] = ()
    #: PCI address of the device, or None.
    pci_id: str | None = None
    #: Path of the vhost-user socket, or None.
    socket_path: str | None = None
    #: Contents of the device-info file (version 1.1.0), or None.
    device_info: Mapping[str, Any] | None = None
