# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Drawings of the documentation, as data and as SVG.

A drawing is a chain of boxes with notes on the right, or in the boxes where a phone shows the
drawing: for each way of plugging, the devices from
the guest down to the integration bridge; for contributors, the functions from ``os_vif.plug()``
down to the kernel. The directive ``drawing`` of ``directives.py`` puts a drawing on a page.
"""

from __future__ import annotations

import dataclasses
import textwrap

from os_vif import objects
from os_vif.cmd.render import host_picture
from os_vif.cmd.render.canvas import LEGEND, Canvas, Legend
from os_vif.operations.plugged import Plugged, State
from os_vif.recognition import Uplink, UplinkKind

_LINE, _TAB, _GAP = 16, 24, 26
#: The number of characters in a line of a narrow drawing.
_COLUMNS = 44


@dataclasses.dataclass(frozen=True)
class Layout:
    """The horizontal places of a drawing, in pixels."""

    width: int
    #: The middle and the width of the boxes.
    middle: int
    box: int
    #: The left end of the notes; None for notes in the boxes.
    notes: int | None


WIDE = Layout(width=720, middle=190, box=300, notes=375)
NARROW = Layout(width=360, middle=180, box=340, notes=None)


@dataclasses.dataclass(frozen=True)
class Box:
    """A device, a switch or a function; dashed if os-vif does not create the box."""

    kind: str
    title: str
    says: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    external: bool = False
    #: Names of the ports above and below. The name of a port ends in ``*`` if os-vif does not
    #: create the port.
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Cable:
    """The connection of a box with the next box."""

    label: str = ""
    notes: tuple[str, ...] = ()


Drawing = tuple[Box | Cable, ...]

_ID = "5a1d3c2e-0b"
_GUEST = Box("guest", "guest", external=True)
_IDS = (
    "Interface: external_ids iface-id,", "iface-status, attached-mac, vm-uuid",
    "Port: qos; with isolate_vif tag, vlan_mode, trunks",
)  # fmt: skip
_INTEGRATION = "br-int is created if it is missing"


def _integration(*ports: str, notes: tuple[str, ...] = _IDS, datapath: str = "") -> Box:
    says = (datapath,) if datapath else ()
    return Box("switch", "br-int", says, (*notes, _INTEGRATION), above=ports)


_TAP = Box(
    "kernel", f"tap{_ID}", ("the guest's MAC address and MTU, up",),
    ("one queue or several (multiqueue)", "no IPv6; alias os-vif"),
)  # fmt: skip

_OVS: dict[str, Drawing] = {
    "bridge_only": (
        _GUEST,
        Cable(),
        Box("kernel", f"tap{_ID}", ("made by the hypervisor",), external=True),
        Cable(),
        Box("switch", "br-int", (), ("the hypervisor adds the port,", "with its external_ids",
            _INTEGRATION), above=(f"tap{_ID}*",)),
    ),
    "create_port": (
        _GUEST,
        Cable(),
        Box("kernel", f"tap{_ID}", ("made by the hypervisor, later",),
            ("the port is pending until then",), external=True),
        Cable(),
        _integration(f"tap{_ID}"),
    ),
    "create_tap": (_GUEST, Cable(), _TAP, Cable(), _integration(f"tap{_ID}")),
    "own_bridge": (
        _GUEST,
        Cable(),
        _TAP,
        Cable(),
        Box("switch", f"pb{_ID}7", ("the VIF's own bridge",), ("no external_ids here",
            "Port: qos"), above=(f"tap{_ID}",), below=("pbp5a1d3c2e-…",)),
        Cable("patch", ("options:peer, both ways",)),
        _integration("ibp5a1d3c2e-…", notes=(_IDS[0], _IDS[1],
                     "Port: with isolate_vif tag, vlan_mode, trunks")),
    ),
    "trunk": (
        _GUEST,
        Cable(),
        Box("kernel", f"tap{_ID}", ("the parent port's device",), external=True),
        Cable(),
        Box("switch", "tbr-…", ("the trunk's bridge",), (_IDS[0], f"{_IDS[1]}, bridge_name",
            "never isolated"), above=(f"tap{_ID}",), below=("tpt-…*", "spt-…*")),
        Cable("", ("patch ports of Neutron, a pair for each VLAN",)),
        Box("switch", "br-int", (), ("made by Neutron, like its ports",), external=True,
            above=("tpi-…*", "spi-…*")),
    ),
    "hybrid": (
        _GUEST,
        Cable(),
        Box("kernel", f"qbr{_ID}", ("Linux bridge with Neutron's rules",),
            ("no STP, no snooping, forward delay 0,", "ageing 0: no MAC learning",
             "no IPv6, arp_ignore 1, arp_announce 2"),
            above=(f"tap{_ID}*",), below=(f"qvb{_ID}",)),
        Cable("veth pair", ("MTU of the network, promiscuous, no IPv6",)),
        _integration(f"qvo{_ID}"),
    ),
    "vhost_user": (
        _GUEST,
        Cable(f"socket vhu{_ID}", ("mode server: QEMU makes the socket", "mode client: the switch makes it")),
        _integration(
            f"vhu{_ID}", datapath="datapath netdev: in user space",
            notes=("Interface: type dpdkvhostuserclient,", "or dpdkvhostuser; mtu_request;",
                   "options:vhost-server-path", *_IDS[:2], "no QoS row"),
        ),
    ),
    "representor": (
        Box("guest", "guest", ("has the virtual function itself",), external=True),
        Cable(),
        Box("card", "virtual function 0000:03:00.2", ("vif.dev_address",),
            ("os-vif: MAC address", "through the physical function"), external=True),
        Cable("switch of the card"),
        Box("kernel", f"tap{_ID}", ("representor: pf0vf1 in phys_port_name",),
            ("the driver makes it as eth1;", "os-vif: representor_name, up, MTU, no IPv6"),
            external=True),
        Cable(),
        _integration(f"tap{_ID}", datapath="datapath system"),
    ),
    "dpdk_representor": (
        Box("guest", "guest", ("has the virtual function itself",), external=True),
        Cable(),
        Box("card", "virtual function 0000:03:00.2", ("vif.dev_address",), external=True),
        Cable("switch of the card"),
        _integration(
            f"vfr{_ID}", datapath="datapath netdev: in user space",
            notes=("Interface: type dpdk, mtu_request,",
                   "options:dpdk-devargs 0000:03:00.0,representor=[1]",
                   "options:dpdk-vf-mac", *_IDS[:2], "no device of the kernel, no QoS row"),
        ),
    ),
}  # fmt: skip

_VF = "virtual function 0000:03:00.2"
_PF = Box(
    "card", "physical function 0000:03:00.0", ("enp3s0f0, a device of the host",),
    ("os-vif changes no setting of the PF itself",), external=True,
)  # fmt: skip
_SETTINGS = (
    "settings of the port, made through the PF:", "MAC address, VLAN, trust, spoof check,",
    "rates, link state",
)  # fmt: skip
_BY_ADDRESS = Cable("switch of the card", ("forwards by MAC address and VLAN",))

_SRIOV: dict[str, Drawing] = {
    "legacy": (
        Box("guest", "guest", ("has the virtual function itself",), external=True),
        Cable(),
        Box("card", _VF, ("VF 0 of the card",), _SETTINGS, external=True),
        _BY_ADDRESS,
        _PF,
    ),
    "macvtap": (
        _GUEST,
        Cable("/dev/tapN"),
        Box("kernel", "direct0", ("vif.vif_name, a macvtap",),
            ("the guest's MAC address;", "mode vepa, passthrough or bridge")),
        Cable(),
        Box("kernel", "enp3s0f0v0", ("the virtual function's device",), ("os-vif: up",),
            external=True),
        Cable(),
        Box("card", _VF, ("VF 0 of the card",), ("MAC address and VLAN, set first,",
            "through the physical function"), external=True),
        _BY_ADDRESS,
        _PF,
    ),
    "switchdev": (
        Box("guest", "guest", ("has the virtual function itself",), external=True),
        Cable(),
        Box("card", _VF, ("VF 0 of the card",), external=True),
        Cable("switch of the card", ("the card executes offloaded flows; the",
              "first packet of a flow reaches the host")),
        Box("kernel", "representor", ("pf0vf0 in phys_port_name",),
            ("the driver makes it;", "os-vif: up, MTU, no IPv6"), external=True),
        Cable(),
        Box("switch", "br-int", ("hw-offload=true",), (*_IDS[:2], "flows go to the card by tc"),
            above=("representor",), below=("enp3s0f0*",)),
        Cable(),
        Box("card", "physical function 0000:03:00.0", ("enp3s0f0, p0 in phys_port_name: uplink",),
            external=True),
    ),
}  # fmt: skip

#: A VIF on its way from the guest to the network, and who makes each part.
_PATH: Drawing = (
    Box("guest", "network card of the guest", ("eth0 in the virtual machine",),
        ("The guest sees a network card.", "The hypervisor (QEMU) emulates the card."),
        external=True),
    Cable("frames"),
    Box("kernel", f"tap{_ID}", ("tap device on the host",),
        ("The end of the VIF on the host.", "Made by the hypervisor, or by os-vif.")),
    Cable("port of the bridge", ("os-vif adds the port, or libvirt does",)),
    Box("switch", "br-int", ("Linux bridge or Open vSwitch",),
        ("A switch in software, for all guests of the host.",
         "Made by os-vif if it is missing.", "Neutron or OVN programs the forwarding.")),
    Cable("uplink"),
    Box("card", "eth1", ("network card of the host",),
        ("Configured by the operator.",), external=True),
    Cable("cable"),
    Box("guest", "network of the data centre", external=True),
)  # fmt: skip

#: The drawings of the ways of plugging, by folder and name of the page.
DRAWINGS = {
    f"{folder}/{name}": drawing
    for folder, drawings in (("ovs", _OVS), ("sriov", _SRIOV))
    for name, drawing in drawings.items()
}


class _Canvas(Canvas):
    """The elements of a drawing of the documentation."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.left = layout.middle - layout.box // 2

    def notes(self, notes: tuple[str, ...], middle: int) -> None:
        """Add lines on the right of the boxes."""
        top = middle - (len(notes) - 1) * _LINE // 2 + 4
        for number, line in enumerate(notes):
            self.text("note", self.layout.notes or 0, top + number * _LINE, line, "start")

    def centre(self, css: str, lines: tuple[str, ...]) -> None:
        """Add centred lines below each other."""
        for line in lines:
            self.y += _LINE
            self.text(css, self.layout.middle, self.y + 4, line)

    def tabs(self, box: Box, names: tuple[str, ...]) -> None:
        width = self.layout.box // max(len(names), 1)
        for number, name in enumerate(names):
            x = self.left + number * width + (width - 140) // 2
            self.rect(box.kind, x, self.y, 140, _TAB, external=name.endswith("*"))
            self.text("text name", x + 70, self.y + 17, name.rstrip("*"))
        self.y += _TAB if names else 0

    def box(self, box: Box) -> None:
        start = self.y
        inner = _wrapped(box.notes) if self.layout.notes is None else ()
        self.tabs(box, box.above)
        top, height = self.y, 30 + _LINE * (len(box.says) + len(inner))
        self.rect(box.kind, self.left, top, self.layout.box, height, external=box.external)
        self.centre("text name", (box.title,))
        self.centre("text", box.says)
        self.centre("note", inner)
        self.y = top + height
        self.tabs(box, box.below)
        if self.layout.notes is not None:
            # The notes of a box may be higher than the box.
            self.y = max(self.y, start + len(box.notes) * _LINE)
            self.notes(box.notes, (start + self.y) // 2)

    def cable(self, cable: Cable, ends: int) -> None:
        texts = (*((cable.label,) if cable.label else ()), *_wrapped(cable.notes))
        if self.layout.notes is None and texts:
            self.ends(ends, 12)
            self.centre("note", texts)
            self.y += 8
            self.ends(ends, 12)
            return
        height = _GAP + (14 if texts else 0)
        middle = self.y + height // 2
        self.notes(cable.notes, middle)
        if cable.label:
            x = self.layout.middle if ends > 1 else self.layout.middle + 8
            self.text("note", x, middle + 4, cable.label, "middle" if ends > 1 else "start")
        self.ends(ends, height)

    def ends(self, ends: int, height: int) -> None:
        """Add the lines of a cable between *ends* pairs of ports."""
        width = self.layout.box // ends
        for number in range(ends):
            x = self.left + number * width + width // 2
            self.line("cable", (x, self.y), (x, self.y + height))
        self.y += height

    def key(self, legend: Legend) -> None:
        """Add the legend: one row, or rows of two entries in a narrow drawing."""
        if self.layout.notes is not None:
            self.legend(legend, self.left)
            return
        for start in range(0, len(legend), 2):
            self.legend(legend[start : start + 2], self.left, step=self.layout.box // 2)
            self.y -= 34
        self.y += 34


def _wrapped(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return lines that fit into a box of a narrow drawing."""
    return tuple(part for line in lines for part in textwrap.wrap(line, _COLUMNS))


def _svg(drawing: Drawing, title: str, legend: Legend, layout: Layout) -> str:
    """Return a drawing as SVG, with dark colours for browsers with a dark theme."""
    canvas = _Canvas(layout)
    for number, part in enumerate(drawing):
        if isinstance(part, Box):
            canvas.box(part)
        else:
            above, below = drawing[number - 1], drawing[number + 1]
            ends = max(len(getattr(above, "below", ())), len(getattr(below, "above", ())), 1)
            canvas.cable(part, ends)
    used = {part.kind for part in drawing if isinstance(part, Box)} | {"guest external"}
    canvas.key([entry for entry in legend if entry[0] in used])
    return canvas.document(title, layout.width)


#: The functions that plug a hybrid VIF of Open vSwitch, in the order of their calls: the kind of
#: the box, module, function in the module, and notes.
WALK = (
    ("guest", "os_vif", "plug",
     ("finds the plugin of the VIF;", "turns each error into a PlugException")),
    ("guest", "os_vif.plugins.ovs.ovs_plugin", "OvsPlugin.plan_plug",
     ("reads the options; chooses the way of", "plugging by VIF class and port profile")),
    ("guest", "os_vif.plugins.ovs.hybrid", "plan",
     ("returns the steps; nothing has changed yet", "(os_vif.plan() and check() stop here)")),
    ("guest", "os_vif.engine.runner", "run",
     ("runs groups of steps in order, and rolls back;", "engine.privsep_module finds the daemon's",
      "functions by their import path")),
    ("kernel", "os_vif.engine.privileged.daemon", "run",
     ("decodes and validates the steps, asks the", "policy, locks the devices, applies;",
      "returns the undo steps")),
    ("kernel", "os_vif.steps.link.veth", "EnsureVeth.apply",
     ("reads the devices; creates the pair", "if there is none; returns its undo steps")),
    ("kernel", "os_vif.host.netlink.rtnetlink", "Netlink.add",
     ("packs the message and marks the device", "as created by os-vif")),
    ("kernel", "os_vif.host.netlink.netlink_socket", "Socket.request",
     ("RTM_NEWLINK to the kernel;", "an error is an OSError with the kernel's text")),
    ("switch", "os_vif.engine.ovs.ovs_transaction", "commit",
     ("makes one transaction of the steps of", "Open vSwitch, in the caller's process")),
    ("switch", "os_vif.host.ovsdb.connection", "Ovsdb.transact",
     ("JSON-RPC to ovsdb-server (RFC 7047);", "then ovs-vswitchd opens the port")),
)  # fmt: skip
_PATH_LEGEND: Legend = (
    ("kernel", "network device"), ("switch", "bridge"), ("card", "network card"),
    ("guest external", "made by others"),
)  # fmt: skip
_WALK_LEGEND: Legend = (
    ("guest", "caller's process"), ("kernel", "privileged daemon"), ("switch", "caller's process"),
)  # fmt: skip


def _walk() -> Drawing:
    """Return the drawing of the functions that plug a hybrid VIF."""
    parts: list[Box | Cable] = []
    for kind, module, function, notes in WALK:
        crossing = "privsep socket" if function == "run" and kind == "kernel" else ""
        parts += [Cable(crossing)] if parts else []
        parts.append(Box(kind, function, (module,), notes))
    return tuple(parts)


def _example_vif(
    number: int, way: str, port: str, bridge: str | None, devices: tuple[str, ...] = (),
    *, state: State = State.RIGHT, reason: str = "", plugin: str = "ovs",
) -> Plugged:  # fmt: skip
    """Return a VIF of the example host."""
    kinds = {"hybrid": objects.VIFBridge, "bridge": objects.VIFBridge,
             "vhost-user": objects.VIFVHostUser, "virtual function": objects.VIFHostDevice}  # fmt: skip
    kind = kinds.get(way, objects.VIFOpenVSwitch)
    fields = {"dev_address": "0000:03:00.2"} if kind is objects.VIFHostDevice else {}
    if plugin == "linux_bridge":
        fields["vif_name"] = f"tap{number:08x}-0b"
    vif_id = f"{number:08x}-0b7f-4f6a-9d52-3e8f4c1b2a90"
    return Plugged(
        id=vif_id, vif=kind(id=vif_id, plugin=plugin, **fields),
        instance=objects.InstanceInfo(name=f"instance-{number:08x}"), plugin=plugin, way=way,
        owner="nova-compute", since=None, devices=devices, port=port or None, bridge=bridge,
        state=state, reasons=(reason,) if reason else (),
    )  # fmt: skip


def _host() -> str:
    """Return the picture of an example host, as ``os-vif list --svg`` draws it."""
    vifs = [
        _example_vif(1, "hybrid", "qvo00000001-0b", "br-int",
                     ("qbr00000001-0b", "qvb00000001-0b", "qvo00000001-0b")),
        _example_vif(2, "tap", "tap00000002-0b", "br-int", ("tap00000002-0b",), state=State.DIFFERS,
                     reason="tap00000002-0b: MTU is 1500, should be 1450"),
        _example_vif(3, "port", "tap00000003-0b", "br-int", (), state=State.PENDING,
                     reason="tap00000003-0b: device is missing, the hypervisor creates it"),
        _example_vif(4, "vhost-user", "vhu00000004-0b", "br-int"),
        _example_vif(5, "bridge", "", "brq5a1d3c2e-0b", ("brq5a1d3c2e-0b", "tap00000005-0b"),
                     plugin="linux_bridge"),
        _example_vif(6, "virtual function", "", None, plugin="sriov"),
    ]  # fmt: skip
    uplinks = [
        Uplink("br-int", UplinkKind.PATCH, "int-br-ex", "br-ex"),
        Uplink("br-ex", UplinkKind.DEVICE, "eth1"),
        *(Uplink("br-int", UplinkKind.TUNNEL, f"vxlan-{n}", "vxlan") for n in range(3)),
        Uplink("brq5a1d3c2e-0b", UplinkKind.DEVICE, "vlan100", "eth0", is_managed=True),
    ]
    return host_picture.render_svg(vifs, "compute-1", uplinks)


def draw(name: str, title: str, layout: Layout = WIDE) -> str:
    """Return a drawing as SVG.

    :param name: key of :data:`DRAWINGS`, ``vif``, ``walk``, or ``host``, the picture of an example
        host, which has one layout.
    :raises LookupError: no drawing has the name.
    """
    if name == "host":
        return _host()
    if name == "vif":
        return _svg(_PATH, title, _PATH_LEGEND, layout)
    if name == "walk":
        return _svg(_walk(), title, _WALK_LEGEND, layout)
    return _svg(DRAWINGS[name], title, LEGEND, layout)
