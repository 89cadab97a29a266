# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs from the interfaces of a domain of libvirt, as ``virsh dumpxml`` prints the domain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET
from xml.parsers import expat

from os_vif import device_names, exception, objects
from os_vif.codec.path import COERCION_ERRORS

#: The maximum size of the XML of a domain.
MAX_XML_BYTES = 4 * 2**20
_NOVA_PORT = re.compile(r"\{http://openstack\.org/xmlns/libvirt/nova/[0-9.]+\}port\Z")

_DevType = objects.fields.VIFHostDeviceDevType


def vifs_of_domain(
    text: bytes,
) -> Iterator[tuple[str, objects.VIFBase | exception.SerializationError]]:
    """Yield path and VIF of each interface; an unusable interface yields the error instead.

    The id of a VIF is the ``interfaceid`` of the virtual port, else the port that nova 31 and later
    write in the metadata. The XML has no network of neutron: the VIF has a network only for the MTU,
    and for the bridge of Open vSwitch. The XML of an interface of the type ``ethernet`` names no
    bridge: the VIF has the class VIFGeneric and the plugin ``noop``.

    :raises os_vif.exception.MalformedDocument: for text that is not XML, for a document type
        definition, which may define entities, and for more than
        :data:`os_vif.operations.imports.MAX_XML_BYTES`.
    """
    root = _parse(text)
    interfaces = root.findall("./devices/interface")
    ports = [each.get("uuid") for each in root.iter() if _NOVA_PORT.match(each.tag)]
    known = ports if len(ports) == len(interfaces) else [None] * len(interfaces)
    for number, (interface, port) in enumerate(zip(interfaces, known, strict=True)):
        path = f"devices.interface[{number}]"
        try:
            yield path, _vif_of_interface(interface, port, path)
        except exception.SerializationError as error:
            yield path, error
        except COERCION_ERRORS as error:
            yield path, _invalid(path, str(error), "an interface of a VIF")


def _parse(text: bytes) -> ET.Element:
    if len(text) > MAX_XML_BYTES:
        raise exception.MalformedDocument(
            found=f"{len(text)} bytes", expected=f"at most {MAX_XML_BYTES} bytes"
        )

    def refuse(*_: object) -> None:
        raise exception.MalformedDocument(
            found="a document type definition", expected="the XML of a domain"
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
        return ET.fromstring(text)  # noqa: S314 - the text defines no entities
    except (expat.ExpatError, ET.ParseError) as error:
        raise exception.MalformedDocument(
            found=f"text that is not XML ({error})", expected="the XML of a domain"
        ) from error


def _vif_of_interface(interface: ET.Element, port: str | None, path: str) -> objects.VIFBase:
    kind = interface.get("type", "")
    make = _KINDS.get(kind)
    if make is None:
        raise _invalid(f"{path}@type", repr(kind), f"one of {', '.join(_KINDS)}")
    parameters = interface.find("./virtualport/parameters")
    identity = port if parameters is None else parameters.get("interfaceid", port)
    if not identity:
        raise _invalid(
            f"{path}.virtualport.parameters@interfaceid",
            "nothing",
            "the id of a port, there or in the metadata of nova",
        )
    vif = make(interface, path)
    vif.id = identity
    vif.address = _attribute(interface, "mac", "address", path)
    # The name is missing in a domain that is not running.
    target = interface.find("target")
    if target is not None and target.get("dev") and "vif_name" in vif.fields:
        setattr(vif, "vif_name", target.get("dev"))  # noqa: B010 - only some classes have it
    if interface.find("mtu") is not None:
        network = vif.network if "network" in vif and vif.network else objects.Network()
        setattr(network, "mtu", _attribute(interface, "mtu", "size", path))  # noqa: B010 - any text
        vif.network = network
    if parameters is not None and "port_profile" not in vif:
        vif.port_profile = objects.VIFPortProfileOpenVSwitch(interface_id=identity)
    return vif


def _invalid(path: str, found: str, expected: str) -> exception.InvalidValue:
    return exception.InvalidValue(path=path, found=found, expected=expected)


def _attribute(interface: ET.Element, name: str, attribute: str, path: str) -> str:
    """Return an attribute of a child.

    :raises os_vif.exception.InvalidValue: if the child or the attribute is missing.
    """
    child = interface.find(name)
    value = None if child is None else child.get(attribute)
    if not value:
        raise _invalid(f"{path}.{name}@{attribute}", "nothing", "a value")
    return value


def _bridge(interface: ET.Element, path: str) -> objects.VIFBase:
    bridge = _attribute(interface, "source", "bridge", path)
    port = interface.find("virtualport")
    if port is not None and port.get("type") == "openvswitch":
        network = objects.Network(bridge=bridge)
        return objects.VIFOpenVSwitch(plugin="ovs", bridge_name=bridge, network=network)
    plugin = "ovs" if bridge.startswith(device_names.HYBRID_BRIDGE) else "linux_bridge"
    return objects.VIFBridge(plugin=plugin, bridge_name=bridge)


def _ethernet(_: ET.Element, path: str) -> objects.VIFBase:
    del path
    return objects.VIFGeneric(plugin="noop")


def _vhostuser(interface: ET.Element, path: str) -> objects.VIFBase:
    vif = objects.VIFVHostUser(plugin="ovs", path=_attribute(interface, "source", "path", path))
    setattr(vif, "mode", _attribute(interface, "source", "mode", path))  # noqa: B010 - any text
    return vif


def _hostdev(interface: ET.Element, path: str) -> objects.VIFBase:
    names = ("domain", "bus", "slot", "function")
    domain, bus, slot, function = (
        int(_attribute(interface, "source/address", name, path), 16) for name in names
    )
    address = f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"
    return objects.VIFHostDevice(plugin="sriov", dev_type=_DevType.ETHERNET, dev_address=address)


_KINDS: dict[str, Callable[[ET.Element, str], objects.VIFBase]] = {
    "bridge": _bridge,
    "ethernet": _ethernet,
    "hostdev": _hostdev,
    "vhostuser": _vhostuser,
}
