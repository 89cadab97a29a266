# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Generated hosts with cards in switchdev mode: files of sysfs, and answers of the kernel.

Each host knows the correct representor of each virtual function.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pathlib
import random
from collections.abc import Iterator
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from os_vif.host.netlink import genetlink, messages, uapi
from os_vif.host.sriov import functions as sriov
from os_vif.host.sriov import switch_ports

#: Formats of port names for a virtual function, as drivers use them.
STYLES = (
    "pf{pf}vf{vf}",
    "PF{pf}VF{vf}",
    "vf{vf}@pf{pf}",
    "p0pf{pf}vf{vf}",
    "c0pf{pf}vf{vf}",
    "vf{vf}",
    "{vf}",
)
#: Port names of further functions, with the text of a virtual function's name.
OTHERS = (
    "pf{pf}sf{vf}",
    "c1pf{pf}vf{vf}",
    "c12pf{pf}vf{vf}",
    "pf{pf}",
    "xpf{pf}vf{vf}",
    "pf{pf}vf{vf}x",
    "vf{vf}pf{pf}",
    "nvf{vf}",
    "{vf}x",
    "pf{pf}vf{vf}s0",
    "p0 pf{pf}vf{vf}",
)
_PHYSICAL, _PCI_PF, _PCI_VF, _PCI_SF = 0, 3, 4, 7


@dataclasses.dataclass
class Device:
    """A network device."""

    name: str
    #: The PCI function above the device.
    below: str | None = None
    switch: str | None = None
    port_name: str | None = None
    #: The answer of devlink for the port of the device: the instance, and attributes.
    instance: str | None = None
    port: dict[str, Any] = dataclasses.field(default_factory=dict)
    index: int = 0
    #: True if the device is in the network namespace of this process.
    here: bool = True


@dataclasses.dataclass
class Physical:
    """A physical function."""

    address: str
    #: The number in the names of representors.
    number: int
    switch: str
    #: The port numbers of the uplinks.
    uplinks: tuple[int, ...]
    #: The examined numbers of virtual functions.
    vfs: list[int]


@dataclasses.dataclass
class Host:
    """A host. The function under test is correct if its results are equal to ``truth``."""

    physical: list[Physical]
    devices: list[Device]
    #: True if the kernel has devlink, and reports the function of a device by rtnetlink.
    has_devlink: bool
    says_parents: bool
    #: The representor of each virtual function, or None.
    truth: dict[sriov.Vf, str | None]
    #: Virtual functions whose representor the kernel identifies without doubt.
    certain: set[sriov.Vf]

    @contextlib.contextmanager
    def running(self, root: pathlib.Path) -> Iterator[None]:
        """Run a block with the host in place of the real host."""
        self._write(root)
        with (
            mock.patch.object(sriov, "SYS", root),
            mock.patch.object(switch_ports.rtnetlink, "opened", self._opened),
            mock.patch.object(genetlink, "Socket", self._socket),
            mock.patch.object(genetlink.Family, "number", self._family),
        ):
            yield

    def _write(self, root: pathlib.Path) -> None:
        """Write the files of sysfs with the list of functions, and the files of an older
        kernel.
        """
        pci, net = root / "bus/pci/devices", root / "class/net"
        net.mkdir(parents=True)
        for physical in self.physical:
            (pci / physical.address / "net").mkdir(parents=True)
            for number in physical.vfs:
                (pci / physical.address / f"virtfn{number}").symlink_to(f"../{number}")
        for device in self.devices:
            if device.below is None or self.says_parents:
                (net / device.name).symlink_to("nowhere")
            else:
                (net / device.name).mkdir()
                (net / device.name / "ifindex").write_text(f"{device.index}\n")
                (net / device.name / "device").symlink_to(f"../../../{device.below}")
            if device.below is not None:
                (pci / device.below / "net" / device.name).symlink_to("nowhere")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Host]:
        yield self

    def _socket(self, _: int) -> Host:
        return self

    def close(self) -> None:
        """Do nothing: no socket is open."""

    def _family(self, _: object) -> int:
        if not self.has_devlink:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return 30

    def request(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Return the answer of the kernel."""
        here = [device for device in self.devices if device.here]
        if kind == self.has_devlink * 30:
            return [self._port(d) for d in self.devices if d.instance is not None]
        assert kind == uapi.RTM_GETLINK
        if flags & uapi.NLM_F_DUMP:
            return [self._link(device) for device in here]
        name = messages.LINK.attributes(body)["IFLA_IFNAME"]
        for device in here:
            if device.name == name:
                return [self._link(device)]
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def _link(self, device: Device) -> bytes:
        says = self.says_parents and device.below is not None
        switch = device.switch
        attributes = {
            "IFLA_IFNAME": device.name,
            "IFLA_PHYS_PORT_NAME": device.port_name,
            "IFLA_PHYS_SWITCH_ID": None if switch is None else bytes.fromhex(switch),
            "IFLA_PARENT_DEV_NAME": device.below if says else None,
            "IFLA_PARENT_DEV_BUS_NAME": "pci" if says else None,
        }
        return messages.LINK.pack(attributes, index=device.index)

    def _port(self, device: Device) -> bytes:
        attributes = {
            "DEVLINK_ATTR_BUS_NAME": "pci",
            "DEVLINK_ATTR_DEV_NAME": device.instance,
            "DEVLINK_ATTR_PORT_NETDEV_IFINDEX": device.index if device.here else None,
            "DEVLINK_ATTR_PORT_NETDEV_NAME": device.name if device.here else None,
            **device.port,
        }
        return messages.DEVLINK.pack(attributes)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Draw a host with up to two cards of up to three physical functions."""
    has_devlink, says_parents = draw(st.booleans()), draw(st.booleans())
    names = [f"{kind}{n}" for kind in ("eth", "rep", "pf0vf", "1") for n in range(60)]
    # The generator shuffles. Hypothesis would need 240 draws for the order, most of the time of a
    # host.
    random.Random(draw(st.integers(0, 1 << 16))).shuffle(names)  # noqa: S311
    fresh = iter(names)
    host = Host([], [], has_devlink, says_parents, {}, set())
    for bus in range(draw(st.integers(1, 2))):
        _card(draw, host, fresh, bus)
    for _ in range(draw(st.integers(0, 3))):
        host.devices.append(Device(next(fresh)))
    host.devices = draw(st.permutations(host.devices))
    for index, device in enumerate(host.devices, 1):
        device.index = index
    return host


def _card(draw: st.DrawFn, host: Host, fresh: Iterator[str], bus: int) -> None:
    count = draw(st.integers(1, 3))
    one_switch, driver_has_devlink = draw(st.booleans()), draw(st.booleans())
    # Since Linux 5.8 drivers place representors below the physical function.
    below = draw(st.booleans())
    style = draw(st.sampled_from(STYLES))
    # Functions of a single device, or of several devices, as of a card with several sockets or
    # hosts.
    apart = draw(st.booleans())
    addresses = [f"0000:{bus:x}{n if apart else 0}:00.{0 if apart else n}" for n in range(count)]
    functions = [int(address[-1]) for address in addresses]
    uplinks = draw(
        st.sampled_from(
            [
                [(n,) for n in range(count)],
                [(n,) for n in reversed(range(count))],
                [(n + 1,) for n in range(count)],
                [(n + 4,) for n in range(count)],
                [(2 * n, 2 * n + 1) for n in range(count)],
                [() for _ in range(count)],
            ]
        )
    )
    by_uplink = [own[0] for own in uplinks if len(own) == 1]
    alone = count == 1 or not one_switch
    usual = [way for way in (functions, by_uplink) if len(set(way)) == count]
    has_ports = host.has_devlink and driver_has_devlink
    # The names identify the function, or only a single function has representors: then any number
    # is possible.
    clear = alone or below or has_ports
    ways = usual + [draw(st.permutations([0, 1, 2, 7, 130]))[:count]] * clear
    if not ways:
        return
    numbers = draw(st.sampled_from(ways))
    if len(usual) == 2 and usual[0] == usual[1] and "pf" in style.lower():
        clear = True
    # The device of a function may be in another network namespace, which makes some results
    # uncertain.
    hidden = draw(st.sampled_from([None] * 6 + list(range(count)))) if not apart else None
    clear = clear and hidden is None
    made = len(host.physical)
    for n, address in enumerate(addresses):
        switch = f"{bus:02x}ab{0 if one_switch else n:02x}"
        vfs = draw(st.sampled_from([[], [0], [0, 1], [0, 1, 2], [0, 1, 2], [1, 100]]))
        host.physical.append(Physical(address, numbers[n], switch, uplinks[n], vfs))
    for n, physical in enumerate(host.physical[made:]):
        _function(
            draw,
            host,
            fresh,
            physical,
            style,
            below=below,
            has_ports=has_ports,
            clear=clear,
            here=n != hidden,
        )
        # A bond, a bridge or a VLAN reports the switch of its lower devices
        # (dev_get_port_parent_id).
        for _ in range(draw(st.integers(0, 2))):
            host.devices.append(Device(next(fresh), switch=physical.switch))


def _function(
    draw: st.DrawFn,
    host: Host,
    fresh: Iterator[str],
    physical: Physical,
    style: str,
    *,
    below: bool,
    has_ports: bool,
    clear: bool,
    here: bool,
) -> None:
    def port(flavour: int, **attributes: object) -> dict[str, Any]:
        if not has_ports:
            return {}
        named = {f"DEVLINK_ATTR_PORT_{name.upper()}": value for name, value in attributes.items()}
        return {
            "instance": physical.address,
            "port": {"DEVLINK_ATTR_PORT_FLAVOUR": flavour, **named},
        }

    add = host.devices.append
    for number in physical.uplinks or (None,):
        name = None if number is None else f"p{number}"
        uplink = port(_PHYSICAL, number=0 if number is None else number)
        add(Device(next(fresh), physical.address, physical.switch, name, **uplink, here=here))
    # A device of the function without a port.
    if here and draw(st.booleans()):
        add(Device(next(fresh), physical.address))
    parent = physical.address if below else None
    for vf in physical.vfs:
        seen = draw(st.sampled_from([True, True, True, False]))
        device = Device(
            next(fresh),
            parent,
            physical.switch,
            style.format(pf=physical.number, vf=vf),
            **port(_PCI_VF, pci_pf_number=physical.number, pci_vf_number=vf, external=0),
            here=seen,
        )
        if seen or draw(st.booleans()):
            add(device)
        function = sriov.Vf("", vf, physical.address)
        host.truth[function] = device.name if seen else None
        if clear:
            host.certain.add(function)
    for _ in range(draw(st.integers(0, 4))):
        vf, other = draw(st.integers(0, 3)), draw(st.sampled_from(OTHERS))
        flavour = _PCI_SF
        foreign = {}
        if other.startswith("c"):
            flavour = _PCI_VF
            foreign = {"pci_pf_number": physical.number, "pci_vf_number": vf, "external": 1}
        # A device with the name of a virtual function, which devlink reports as another port.
        disguised = style if has_ports and draw(st.booleans()) else other
        add(
            Device(
                next(fresh),
                parent,
                physical.switch,
                disguised.format(pf=physical.number, vf=vf),
                **port(flavour, **foreign),
            )
        )
