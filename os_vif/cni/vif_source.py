# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The VIF of an attachment, from the first source that has one.

1. ``vif`` in the network configuration, in ``args.cni``, or in the annotation
   ``openstack.org/os-vif`` of the pod, which containerd passes to a plugin with the capability
   ``io.kubernetes.cri.pod-annotations``; also kuryr's annotation ``openstack.org/kuryr-vif``. The
   value is a document or an OVO primitive of a VIF, or an object with a VIF for each interface.
2. The KuryrPort of the pod, if the configuration has ``kubernetes``.
3. A VIF made here, from ``plugin`` and ``bridge`` of the configuration or from the capability
   ``deviceID``, with the addresses of the IPAM plugin or of the capability ``ips``.

The id of a VIF made here is a hash of the network name, the container id and the interface, so DEL
finds the VIF without a record.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from os_vif import exception, objects, serialization
from os_vif.cni import kuryr_port_source
from os_vif.cni.attachment_result import DEFAULT_ROUTES, interface_of
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import Invocation
from os_vif.cni.ipam_result import SCOPE_LINK
from os_vif.cni.network_configuration import invalid_field, require_mac
from os_vif.device_names import TAP
from os_vif.escape import abbreviated
from os_vif.objects.kuryr import PodState
from os_vif.serialization import storage

#: The capability with the annotations of a pod.
ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
#: The annotation with a VIF, or with VIFs by interface.
VIF_ANNOTATION = "openstack.org/os-vif"
#: The interface of a pod's first network.
_FIRST_INTERFACE = "eth0"
#: Prefix of locally administered MAC addresses.
_MAC_PREFIX = "02:"
_DEVICE_NAME_LENGTH = 14


@dataclasses.dataclass(frozen=True)
class PodVif:
    """The VIF of an attachment."""

    vif: objects.VIFBase
    instance: objects.InstanceInfo
    #: True for a VIF that the CNI plugin has made, False for a document.
    is_made_here: bool
    #: The addresses of the host on the bridge, as the gateway of the pods.
    bridge_addresses: tuple[str, ...] = ()

    def default_gateway(self, invocation: Invocation) -> bool:
        """Return whether the pod gets a default route from the gateways of the VIF's subnets.

        Of a VIF made here, only the subnets with a default route have a gateway.
        """
        configured = invocation.configuration.is_default_gateway
        if self.is_made_here:
            return True
        return invocation.ifname == _FIRST_INTERFACE if configured is None else configured


def find(invocation: Invocation, allocated: Mapping[str, Any]) -> PodVif:
    """Return the VIF of an attachment.

    :param allocated: the result of the IPAM plugin; empty without one.
    :raises CniError: if no source has a VIF, or the VIF is invalid.
    """
    given = _given_vif(invocation)
    instance = _instance(invocation)
    if given is None and kuryr_port_source.is_configured(invocation):
        given = kuryr_port_source.find(invocation)[invocation.ifname]
    if given is not None:
        if invocation.configuration.is_gateway:
            raise invalid_field("isGateway", "true", "unset, because the VIF is given")
        _set_requested_mac(given, invocation)
        return PodVif(given, instance, is_made_here=False)
    made = _make(invocation, allocated)
    gateways = _bridge_addresses(invocation, allocated) if is_gateway(invocation) else ()
    return PodVif(made, instance, is_made_here=True, bridge_addresses=gateways)


def with_addresses(pod: PodVif, invocation: Invocation, allocated: Mapping[str, Any]) -> PodVif:
    """Return a VIF made here with the addresses of the IPAM plugin. The VIF is changed.

    :param allocated: the result of the IPAM plugin.
    :raises CniError: for an address, a gateway or a route that is none.
    """
    network: Any = pod.vif.network
    network.subnets = objects.SubnetList(objects=subnets_of(invocation, allocated))
    if not is_gateway(invocation):
        return pod
    return dataclasses.replace(pod, bridge_addresses=_bridge_addresses(invocation, allocated))


def is_gateway(invocation: Invocation) -> bool:
    """Return whether the host is the gateway of the pods, for a VIF made here.

    As in the plugin ``bridge``, ``isDefaultGateway`` implies ``isGateway`` for a Linux bridge.

    :raises CniError: if ``isGateway`` is set for a network without a Linux bridge of os-vif.
    """
    configuration = invocation.configuration
    is_possible = configuration.plugin == "linux_bridge" and not configuration.runtime_config.get(
        "deviceID"
    )
    if configuration.is_gateway and not is_possible:
        raise invalid_field("isGateway", "true", "unset for a network without a Linux bridge")
    wanted = configuration.is_gateway
    if wanted is None:
        wanted = configuration.is_default_gateway
    return bool(wanted) and is_possible


def needs_addresses(invocation: Invocation) -> bool:
    """Return whether the VIF of an attachment is made here, with addresses of the IPAM plugin."""
    return _given_text(invocation) is None and not kuryr_port_source.is_configured(invocation)


def is_from_kuryr_port(invocation: Invocation) -> bool:
    """Return whether the VIF of an attachment is the VIF of a KuryrPort."""
    return _given_text(invocation) is None and kuryr_port_source.is_configured(invocation)


def vif_id(network: str, container_id: str, ifname: str) -> str:
    """Return the id of a VIF made here."""
    key = f"{network}/{container_id}/{ifname}"
    return str(uuid.UUID(hashlib.sha256(key.encode()).hexdigest()[:32], version=4))


def _instance(invocation: Invocation) -> objects.InstanceInfo:
    """Return the pod. The name is the container id, by which GC tells the pods in use."""
    given = invocation.pod_arguments.get("K8S_POD_UID", "")
    try:
        pod_uid = str(uuid.UUID(given))
    except ValueError:
        digest = hashlib.sha256(invocation.container_id.encode()).hexdigest()
        pod_uid = str(uuid.UUID(digest[:32], version=4))
    return objects.InstanceInfo(uuid=pod_uid, name=invocation.container_id)


def _given_text(invocation: Invocation) -> tuple[str, Any] | None:
    """Return the field with the VIF of the runtime or the operator, and the value; None without."""
    configuration = invocation.configuration
    annotations = configuration.runtime_config.get(ANNOTATIONS) or {}
    if not isinstance(annotations, dict):
        raise invalid_field(
            f"runtimeConfig.{ANNOTATIONS}", abbreviated(annotations, 80), "an object"
        )
    for field, holder, key in (
        ("vif", configuration.plain, "vif"),
        ("args.cni.vif", configuration.arguments, "vif"),
        (f"annotation {VIF_ANNOTATION}", annotations, VIF_ANNOTATION),
        (f"annotation {storage.ANNOTATION}", annotations, storage.ANNOTATION),
    ):
        if holder.get(key) is not None:
            return field, holder[key]
    return None


def _given_vif(invocation: Invocation) -> objects.VIFBase | None:
    """Return the VIF of the runtime or the operator; None without one.

    :raises CniError: for an invalid VIF, and without a VIF for the interface.
    """
    given = _given_text(invocation)
    if given is None:
        return None
    field, value = given
    try:
        plain = json.loads(value) if isinstance(value, str) else value
        vifs = _read_vifs(plain, invocation.ifname)
    except (exception.SerializationError, ValueError, RecursionError) as error:
        raise CniError(
            Code.INVALID_CONFIGURATION, "invalid network configuration", f"{field}: {error}"
        ) from error
    if invocation.ifname not in vifs:
        raise invalid_field(
            field, f"without a VIF for {invocation.ifname}", f"one of {', '.join(sorted(vifs))}"
        )
    return vifs[invocation.ifname]


def _read_vifs(plain: Any, ifname: str) -> Mapping[str, objects.VIFBase]:
    """Return the VIFs of a value, by interface. A single VIF is the VIF of *ifname*.

    :raises os_vif.exception.SerializationError: for an invalid VIF.
    """
    if isinstance(plain, dict) and not _is_object(plain):
        if plain and all(isinstance(each, dict) and _is_object(each) for each in plain.values()):
            return {name: _require_vif(_read_object(each)) for name, each in plain.items()}
        return storage.read(plain)
    found = _read_object(plain)
    if isinstance(found, PodState):
        return found.vifs
    return {ifname: _require_vif(found)}


def _is_object(plain: Mapping[str, Any]) -> bool:
    """Return whether plain data is a document or an OVO primitive, rather than VIFs by interface."""
    return "kind" in plain or "versioned_object.name" in plain


def _read_object(plain: Any) -> Any:
    """Return the object of a document or an OVO primitive.

    :raises os_vif.exception.SerializationError: for other data.
    """
    return serialization.loads(json.dumps(plain))


def _require_vif(found: Any) -> objects.VIFBase:
    """Return an object that is a VIF.

    :raises os_vif.exception.SerializationError: for another object.
    """
    if isinstance(found, objects.VIFBase):
        return found
    raise exception.InvalidValue(
        path="", found=f"the class {type(found).__name__}", expected="a VIF"
    )


def _set_requested_mac(vif: objects.VIFBase, invocation: Invocation) -> None:
    """Set the MAC address that the runtime requests."""
    if (requested := _requested_mac(invocation)) is not None:
        vif.address = requested


def _requested_mac(invocation: Invocation) -> str | None:
    """Return the MAC address that the runtime requests, by the order of CONVENTIONS.md."""
    configuration = invocation.configuration
    for field, value in (
        ("runtimeConfig.mac", configuration.runtime_config.get("mac")),
        ("args.cni.mac", configuration.arguments.get("mac")),
        ("MAC in CNI_ARGS", invocation.pod_arguments.get("MAC")),
    ):
        if value:
            return require_mac(field, value)
    return None


def _make(invocation: Invocation, allocated: Mapping[str, Any]) -> objects.VIFBase:
    """Return a VIF for a bridge or a device of the configuration.

    :raises CniError: for a missing or unusable field of the configuration.
    """
    configuration = invocation.configuration
    own_id = vif_id(configuration.name, invocation.container_id, invocation.ifname)
    digest = hashlib.sha256(own_id.encode()).hexdigest()
    mac = _MAC_PREFIX + ":".join(digest[n : n + 2] for n in range(0, 10, 2))
    common: dict[str, Any] = {
        "id": own_id,
        "plugin": configuration.plugin,
        "address": _requested_mac(invocation) or mac,
        "network": _network(invocation, allocated),
        "has_traffic_filtering": True,
    }
    device = configuration.runtime_config.get("deviceID")
    if device:
        if not isinstance(device, str):
            raise invalid_field("runtimeConfig.deviceID", abbreviated(device, 60), "a PCI address")
        return _make_host_device(common | {"plugin": "sriov"}, device)
    if configuration.bridge is None:
        raise invalid_field("bridge", "missing", "the name of a bridge, or a VIF in vif")
    named: dict[str, Any] = {
        "vif_name": f"{TAP}{own_id}"[:_DEVICE_NAME_LENGTH],
        "bridge_name": configuration.bridge,
    }
    if configuration.plugin == "ovs":
        profile = objects.VIFPortProfileOpenVSwitch(interface_id=own_id, create_port=True)
        return objects.VIFOpenVSwitch(**common, **named, port_profile=profile)
    return objects.VIFBridge(**common, **named)


def _make_host_device(common: Mapping[str, Any], device: str) -> objects.VIFBase:
    """Return the VIF of a virtual function.

    :raises CniError: for a value that is no PCI address.
    """
    try:
        return objects.VIFHostDevice(**common, dev_type="ethernet", dev_address=device)
    except ValueError:
        raise invalid_field(
            "runtimeConfig.deviceID", abbreviated(device, 60), "a PCI address"
        ) from None


def _network(invocation: Invocation, allocated: Mapping[str, Any]) -> objects.Network:
    """Return the network of a VIF made here."""
    configuration = invocation.configuration
    return objects.Network(
        id=str(uuid.uuid5(uuid.NAMESPACE_DNS, configuration.name)),
        label=configuration.name,
        bridge=configuration.bridge or "",
        mtu=configuration.mtu,
        should_provide_bridge=True,
        subnets=objects.SubnetList(objects=subnets_of(invocation, allocated)),
    )


def subnets_of(invocation: Invocation, allocated: Mapping[str, Any]) -> list[objects.Subnet]:
    """Return the subnets with the addresses of a VIF made here.

    A subnet has a gateway only if the pod gets the default route of the gateway.

    :param allocated: the result of the IPAM plugin; empty for the capability ``ips``.
    :raises CniError: for an address, a gateway or a route that is none.
    """
    addresses: Sequence[Mapping[str, Any]] = allocated.get("ips") or ()
    if not allocated:
        addresses = _requested_addresses(invocation)
    if is_gateway(invocation):
        addresses = with_gateways(addresses)
    routes = allocated.get("routes") or ()
    wants_default = invocation.configuration.is_default_gateway or False
    subnets: list[objects.Subnet] = []
    for address in addresses:
        interface = interface_of(address)
        gateway = read_address("ips.gateway", address.get("gateway"))
        own_routes = [
            route for route in routes if read_destination(route).version == interface.version
        ]
        subnet = objects.Subnet(
            cidr=str(interface.network),
            dns=[],
            ips=objects.FixedIPList(objects=[objects.FixedIP(address=str(interface.ip))]),
            routes=objects.RouteList(objects=_routes(own_routes, interface, gateway, subnets)),
        )
        is_default = any(
            str(read_destination(route)) in DEFAULT_ROUTES
            and route.get("gw") in (None, "", gateway)
            and route.get("scope") != SCOPE_LINK
            for route in own_routes
        )
        if gateway is not None and (wants_default or is_default):
            subnet.gateway = gateway
        subnets.append(subnet)
    return subnets


def with_gateways(addresses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return addresses that all have a gateway: by default the first address of the network.

    :raises CniError: for an address or a gateway that is none.
    """
    found = []
    for address in addresses:
        interface = interface_of(address)
        gateway = read_address("ips.gateway", address.get("gateway"))
        default = str(interface.network.network_address + 1)
        found.append({**address, "gateway": default if gateway is None else gateway})
    return found


def _bridge_addresses(invocation: Invocation, allocated: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the host on the bridge: the gateways, with prefix lengths.

    :raises CniError: for a gateway that the host cannot be.
    """
    found = dict[str, None]()
    for address in with_gateways(allocated.get("ips") or _requested_addresses(invocation)):
        interface, gateway = interface_of(address), ipaddress.ip_address(address["gateway"])
        if gateway not in interface.network or gateway == interface.ip:
            raise invalid_field(
                "ips.gateway",
                f"{gateway} for {interface}",
                "another address in the network, because isGateway is set",
            )
        found[f"{gateway}/{interface.network.prefixlen}"] = None
    return tuple(found)


def _routes(
    routes: Sequence[Mapping[str, Any]],
    interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    gateway: str | None,
    subnets: Sequence[objects.Subnet],
) -> list[objects.Route]:
    """Return the routes of a subnet.

    A route without a gateway has the gateway of the subnet, unless the scope is "link".

    :param subnets: the subnets before. The first subnet of a family gets the routes to gateways
        outside all subnets.
    """
    is_first = not any(
        ipaddress.ip_network(str(each.cidr)).version == interface.version for each in subnets
    )
    made = []
    for route in routes:
        via = read_address("routes.gw", route.get("gw"))
        if via is None and route.get("scope") != SCOPE_LINK:
            via = gateway
        destination = str(read_destination(route))
        if destination in DEFAULT_ROUTES and via is not None and via == gateway:
            # The gateway of the subnet is the default gateway.
            continue
        if via is None:
            # On the link.
            if is_first:
                made.append(objects.Route(cidr=destination))
        elif ipaddress.ip_address(via) in interface.network or (is_first and route.get("gw")):
            made.append(objects.Route(cidr=destination, gateway=via))
    return made


def _requested_addresses(invocation: Invocation) -> list[dict[str, Any]]:
    """Return the addresses of the capability ``ips`` or of ``args.cni.ips``, without IPAM."""
    configuration = invocation.configuration
    if configuration.ipam_type is not None:
        return []
    listed = configuration.runtime_config.get("ips") or configuration.arguments.get("ips") or []
    if not isinstance(listed, list):
        raise invalid_field("runtimeConfig.ips", abbreviated(listed, 80), "a list of addresses")
    return [{"address": each} for each in listed]


def read_destination(
    route: Mapping[str, Any],
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the destination of a route.

    :raises CniError: for a destination that is no network.
    """
    try:
        return ipaddress.ip_network(str(route.get("dst")), strict=False)
    except ValueError:
        raise invalid_field(
            "routes.dst", abbreviated(route.get("dst"), 60), "a network such as 10.0.0.0/8"
        ) from None


def read_address(field: str, value: object) -> str | None:
    """Return an address in the usual form; None for an empty value.

    :raises CniError: for a value that is no address.
    """
    if value in (None, ""):
        return None
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise invalid_field(field, abbreviated(value, 60), "an IP address") from None
