# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The fields that each plugin requires, uses and ignores, found out by planning.

A *situation* is a VIF with a value in every field, and options of the plugin. For each field, the
plugin plans the VIF three times: as the VIF is, without the field, and with another value. A field
is *required* if the plan without the field is an error, *used* if one of the three plans differs,
and *ignored* otherwise.

As root, ``python -m tests.support.documents.field_uses`` writes the tables of the page
``reference/fields_by_plugin``.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import dataclasses
import io
import logging
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects, serialization
from os_vif.testing import private_namespaces
from os_vif.testing.fake_card import Sysfs
from testbed import ovs
from tests.support.documents.pages import SOURCE

FOLDER = SOURCE / "reference" / "fields_by_plugin"
_ID, _OTHER_ID = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", "6b1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"
_INTERFACE_ID = "7c1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"
_VF, _OTHER_VF = "0000:03:00.1", "0000:03:00.2"

Document = dict[str, Any]

#: Other values, by the last part of the path of a field. A boolean is inverted instead.
_OTHERS: Mapping[str, Any] = {
    "address": "fa:16:3e:00:00:02",
    "mac_address": "fa:16:3e:00:00:03",
    "bridge": "tbr-other",
    "bridge_name": "br-other",
    "bridge_interface": "uplink1",
    "datapath_type": "other",
    "dev_address": _OTHER_VF,
    "dev_type": "generic",
    "device_name": "vdpa1",
    "id": _OTHER_ID,
    "interface_id": _OTHER_ID,
    "link_state": "disable",
    "management_device": "pci/0000:03:00.3",
    "path": "/run/other",
    "representor_address": _OTHER_VF,
    "representor_name": "rep-other",
    "uuid": _OTHER_ID,
    "vif_name": "tap-other",
    "vlan_proto": "802.1Q",
}
_MODES = {"server": "client", "client": "server", "vepa": "bridge"}
#: Fields whose other value is an object of another class or another plugin.
_WITHOUT_OTHER = ("datapath_offload", "network", "plugin", "port_profile", "subnets")


@dataclasses.dataclass(frozen=True)
class Situation:
    """A VIF and the options of the plugin."""

    #: Name in the table; empty if the class has a single situation.
    name: str
    vif: Document
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _network(**fields: Any) -> Document:
    subnet = {"cidr": "192.0.2.0/24", "gateway": "192.0.2.1", "dhcp_server": "192.0.2.2"}
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "label": "net",
        "bridge": "br-int",
        "multi_host": False,
        "should_provide_bridge": False,
        "should_provide_vlan": False,
        "bridge_interface": "uplink0",
        "vlan": 100,
        "mtu": 1450,
        "subnets": [subnet],
        **fields,
    }


def _vif(kind: str, plugin: str, **fields: Any) -> Document:
    return {
        "apiVersion": "os-vif/2.0",
        "kind": kind,
        "id": _ID,
        "address": "fa:16:3e:00:00:01",
        "plugin": plugin,
        "active": True,
        "preserve_on_delete": True,
        "has_traffic_filtering": True,
        **fields,
    }


def _bridge(*, uplink: str | None, vlan: bool = False) -> Document:
    network = _network(should_provide_bridge=True, should_provide_vlan=vlan)
    if uplink is None:
        del network["bridge_interface"]
    return _vif(
        "VIFBridge",
        "linux_bridge",
        vif_name="tap5a1d3c2e-0b",
        bridge_name="brq-demo",
        network=network,
        port_profile={"kind": "VIFPortProfileBase"},
    )


def _ovs(kind: str, profile: Document | None = None, **fields: Any) -> Document:
    given = {
        "kind": "VIFPortProfileOpenVSwitch",
        "interface_id": _INTERFACE_ID,
        "profile_id": "profile",
        "datapath_type": "system",
        "create_port": False,
        "create_tap": False,
        "multiqueue": False,
        "datapath_offload": {
            "kind": "DatapathOffloadRepresentor",
            "representor_name": "rep-name",
            "representor_address": _VF,
        },
        **(profile or {}),
    }
    return _vif(kind, "ovs", network=_network(), port_profile=given, **fields)


def _sriov(kind: str, profile: Document, **fields: Any) -> Document:
    return _vif(kind, "sriov", network=_network(), port_profile=profile, **fields)


_NATIVE = {"vif_name": "tap5a1d3c2e-0b", "bridge_name": "br-int"}
_HOST_DEVICE = {"dev_type": "ethernet", "dev_address": _VF}
_SETTINGS = {
    "kind": "VIFPortProfileSRIOV",
    "vlan": 42,
    "trusted": True,
    "spoof_check": False,
    "min_tx_rate": 10,
    "max_tx_rate": 100,
    "link_state": "enable",
}
_TAGGED = {**_SETTINGS, "vlan_qos": 3, "vlan_proto": "802.1ad"}
_DIRECT = {"vif_name": "macvtap0", "dev_address": _VF, "mode": "vepa", "vlan_name": "vlan"}
_VDPA = {
    "kind": "DatapathOffloadVDPA",
    "device_name": "vdpa0",
    "management_device": "pci/0000:03:00.1",
    "vhost_vdpa_path": "/dev/vhost-vdpa-0",
    "mac_address": "fa:16:3e:00:00:04",
}
_OLD_PROFILE = {
    "kind": "VIFPortProfileOVSRepresentor",
    "representor_name": "rep-name",
    "representor_address": _VF,
    "datapath_offload": None,
}

#: The situations of each class of each plugin.
SITUATIONS: Mapping[str, Mapping[str, tuple[Situation, ...]]] = {
    "linux_bridge": {
        "VIFBridge": (
            Situation("guests only", _bridge(uplink=None)),
            Situation("uplink", _bridge(uplink="uplink0")),
            Situation("VLAN", _bridge(uplink="uplink0", vlan=True)),
        ),
    },
    "ovs": {
        "VIFOpenVSwitch": (
            Situation("no create_port", _ovs("VIFOpenVSwitch", **_NATIVE)),
            Situation("create_port", _ovs("VIFOpenVSwitch", {"create_port": True}, **_NATIVE)),
            Situation(
                "create_tap",
                _ovs("VIFOpenVSwitch", {"create_port": True, "create_tap": True}, **_NATIVE),
            ),
            Situation(
                "per_port_bridge", _ovs("VIFOpenVSwitch", **_NATIVE), {"per_port_bridge": True}
            ),
        ),
        "VIFBridge": (
            Situation(
                "",
                _ovs("VIFBridge", vif_name="tap5a1d3c2e-0b", bridge_name="qbr5a1d3c2e-0b"),
            ),
        ),
        "VIFVHostUser": (
            Situation(
                "mode server",
                _ovs("VIFVHostUser", {"datapath_type": "netdev"}, vif_name="vhu5a1d3c2e-0b",
                     path="/run/vhu0", mode="server"),
            ),
            Situation(
                "mode client",
                _ovs("VIFVHostUser", {"datapath_type": "netdev"}, vif_name="vhu5a1d3c2e-0b",
                     path="/run/vhu0", mode="client"),
            ),
        ),
        "VIFHostDevice": (
            Situation("system", _ovs("VIFHostDevice", **_HOST_DEVICE)),
            Situation("netdev", _ovs("VIFHostDevice", {"datapath_type": "netdev"}, **_HOST_DEVICE)),
            Situation("OVSRepresentor", _ovs("VIFHostDevice", _OLD_PROFILE, **_HOST_DEVICE)),
        ),
    },
    "sriov": {
        "VIFHostDevice": (
            Situation("", _sriov("VIFHostDevice", _SETTINGS, **_HOST_DEVICE)),
            Situation("vlan_qos", _sriov("VIFHostDevice", _TAGGED, **_HOST_DEVICE)),
            Situation(
                "vDPA",
                _sriov("VIFHostDevice", _SETTINGS | {"datapath_offload": _VDPA}, **_HOST_DEVICE),
            ),
        ),
        "VIFDirect": (
            Situation("", _sriov("VIFDirect", _SETTINGS, **_DIRECT)),
            Situation("vlan_qos", _sriov("VIFDirect", _TAGGED, **_DIRECT)),
        ),
    },
}  # fmt: skip

#: The instance of all situations.
INSTANCE: Document = {"uuid": "0c9fd1c4-52d1-4c39-8f0a-6e1b2d3c4f50", "name": "guest",
                      "project_id": "project"}  # fmt: skip


@contextlib.contextmanager
def host(switch: ovs.Switch) -> Iterator[None]:
    """Provide a host for all situations: two possible uplinks, and a card with functions.

    The caller is in a network namespace of its own.

    :param switch: an Open vSwitch without bridges.
    """
    for number in (0, 1):
        private_namespaces.run(f"ip link add name uplink{number} type veth peer name far{number}")
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        sysfs = Sysfs(pathlib.Path(folder))
        functions = [_VF, _OTHER_VF]
        sysfs.physical("0000:03:00.0", "eth0", functions)
        sysfs.port("eth0", "abcd", "p0")
        for number, function in enumerate(functions):
            sysfs.below(function, f"vf{number}")
            sysfs.port(f"rep{number}", "abcd", f"pf0vf{number}")
        sysfs.shown(patch)
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        # The errors of the plans are results here.
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
            cfg.CONF.clear_override("ovsdb_connection", group="os_vif_ovs")


def paths(vif: Document) -> list[str]:
    """Return the paths of the fields of a VIF, in the order of the classes."""
    return [*_paths(vif), *(f"instance_info.{name}" for name in INSTANCE)]


def _paths(thing: Document, prefix: str = "") -> Iterator[str]:
    cls = getattr(objects, thing.get("kind", "Network"))
    for name in cls.fields:
        yield f"{prefix}{name}"
        if isinstance(thing.get(name), dict):
            yield from _paths(thing[name], f"{prefix}{name}.")


def _changed(
    vif: Document, instance: Document, path: str, value: Any
) -> tuple[Document, Document]:
    """Return copies of a VIF and an instance with another value of a field; None deletes it."""
    vif, instance = copy.deepcopy(vif), dict(instance)
    *parents, name = path.split(".")
    thing = instance if parents == ["instance_info"] else vif
    for parent in parents if thing is vif else ():
        thing = thing[parent]
    thing.pop(name, None)
    if value is not None:
        thing[name] = value
    return vif, instance


def _other(path: str, value: Any) -> Any:
    """Return another value of a field, or None if there is none."""
    name = path.rpartition(".")[2]
    if name in _WITHOUT_OTHER or value is None:
        return None
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return _OTHERS.get(path) or _OTHERS.get(name) or _MODES.get(value, "other")


def value(vif: Document, path: str) -> Any:
    """Return the value of a field, or None if the field is unset."""
    thing: Any = {**vif, "instance_info": INSTANCE}
    for name in path.split("."):
        thing = (thing or {}).get(name)
    return thing


def _outcome(vif: Document, instance: Document, *, unplug: bool) -> tuple[object, ...]:
    """Return all that a plan says, or the error."""
    read = serialization.from_document(vif), objects.InstanceInfo(**instance)
    try:
        plan = os_vif.plan(*read, unplug)
    except exception.ExceptionBase as error:
        return (error,)
    return plan, plan.awaits


def _use(situation: Situation, path: str, *, unplug: bool) -> str:
    """Return the use of a field in a situation."""
    group = f"os_vif_{situation.vif['plugin']}"
    with contextlib.ExitStack() as stack:
        for option, setting in situation.options.items():
            cfg.CONF.set_override(option, setting, group=group)
            stack.callback(cfg.CONF.clear_override, option, group=group)

        def outcome(changed: Any) -> tuple[object, ...]:
            return _outcome(*_changed(situation.vif, INSTANCE, path, changed), unplug=unplug)

        given = value(situation.vif, path)
        present, without = outcome(given), outcome(None)
        if len(present) == 1:
            raise AssertionError(f"{situation.name}: {present[0]}")
        other_value = _other(path, given)
        other = present if other_value is None else outcome(other_value)
    if len(without) == 1:
        return "required"
    if without[0] != present[0] or other[0] != present[0]:
        return "used"
    return "ignored" if without == present == other else "by check"


def _cell(uses: Mapping[str, str]) -> str:
    """Return the cell of a field: the use, with the names of the situations if they differ."""
    if len(set(uses.values())) == 1:
        return next(iter(uses.values()))
    said = []
    for use in ("required", "used", "by check"):
        names = [name or "otherwise" for name, found in uses.items() if found == use]
        said += [f"{use} ({', '.join(names)})"] if names else []
    return "; ".join(said)


def table(plugin: str, *, unplug: bool) -> list[list[str]]:
    """Return the rows of the table of a plugin, with a header.

    The table of unplug has only the fields that an unplug does not ignore.
    """
    classes = SITUATIONS[plugin]
    cells: dict[str, dict[str, str]] = {}
    for cls, situations in classes.items():
        for path in dict.fromkeys(path for s in situations for path in paths(s.vif)):
            parent = path.rpartition(".")[0]
            uses = {
                situation.name: _use(situation, path, unplug=unplug)
                for situation in situations
                if not parent or value(situation.vif, parent)
            }
            cells.setdefault(path, {})[cls] = _cell(uses)
    rows = [[path, *(of.get(cls, "-") for cls in classes)] for path, of in cells.items()]
    kept = [row for row in rows if not unplug or {*row[1:]} - {"ignored", "-"}]
    return [["Field", *classes], *kept]


def tables(switch: ovs.Switch) -> dict[str, str]:
    """Return the text of each table, by the name of the file."""
    found = {}
    for unplug in (False, True):
        if unplug:
            # An unplug of a representor finds the port by the id of the VIF.
            switch.vsctl("add-br", "br-int", "--", "add-port", "br-int", "rep0", "--", "set",
                         "Interface", "rep0", f"external_ids:iface-id={_INTERFACE_ID}")  # fmt: skip
        for plugin in SITUATIONS:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(table(plugin, unplug=unplug))
            found[f"{plugin}_{'unplug' if unplug else 'plug'}.csv"] = text.getvalue()
    return found


if __name__ == "__main__":
    private_namespaces.hide_state_directory()
    with (
        tempfile.TemporaryDirectory() as directory,
        private_namespaces.private_namespace(),
        ovs.Switch(pathlib.Path(directory)) as switch,
        host(switch),
    ):
        FOLDER.mkdir(exist_ok=True)
        for file, content in tables(switch).items():
            (FOLDER / file).write_text(content, encoding="utf-8")
