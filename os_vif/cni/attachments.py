# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The commands ADD, DEL, CHECK and GC.

ADD writes the record of the attachment, calls the IPAM plugin, and plugs the pod. A failed ADD
leaves neither an address nor a device. DEL succeeds without the network namespace, without
``prevResult`` and repeatedly.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

import os_vif
from os_vif import exception, objects, pods, serialization
from os_vif.cni import (
    address_delegation,
    attachment_check,
    attachment_locks,
    attachment_records,
    attachment_result,
    device_info,
    ipam_result,
    kuryr_port_source,
    network_configuration,
    vif_source,
)
from os_vif.cni.attachment_records import AttachmentRecord
from os_vif.cni.attachment_result import DEFAULT_ROUTES
from os_vif.cni.cni_error import CniError, Code, raised_as_cni_error
from os_vif.cni.invocation import Invocation, is_interface_name
from os_vif.cni.vif_source import PodVif
from os_vif.host.netlink import pod_namespaces
from os_vif.operations.pod_plugging import recorded_pods
from os_vif.sandbox import PodResult, Sandbox

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged

LOG = logging.getLogger(__name__)

#: The interface of an attachment without a record.
_UNKNOWN_INTERFACE = "eth0"


def add(invocation: Invocation) -> dict[str, Any]:
    """Plug an interface into a pod, and return the result.

    :raises CniError: if the attachment fails. Nothing remains, except for the steps that the text
        of the error lists.
    """
    with raised_as_cni_error("the pod cannot be plugged"):
        network_configuration.require_supported(invocation.configuration.plain)
        sandbox = Sandbox(invocation.netns, invocation.ifname)
        _require_free_name(sandbox)
        info_path = device_info.path_of(invocation.configuration.runtime_config)
        # Before the first change, so that an invalid configuration allocates no address.
        pod = vif_source.find(invocation, {})
        with attachment_locks.of_vif(_id_of(pod.vif)):
            _require_unused(pod)
            record = _record(invocation, pod, info_path)
            attachment_records.write(record)
            try:
                return _plug(invocation, pod, record)
            except BaseException:
                _delete_quietly(invocation)
                raise


def _plug(invocation: Invocation, pod: PodVif, record: AttachmentRecord) -> dict[str, Any]:
    """Plug the interface of an attachment with a record, and return the result.

    :raises CniError: if the attachment fails. The caller removes the remains.
    :raises os_vif.exception.ExceptionBase: as for :class:`CniError`.
    :raises OSError: as for :class:`CniError`.
    """
    allocated: dict[str, Any] = {}
    if pod.is_made_here and invocation.configuration.ipam_type is not None:
        pod, allocated, result = _plug_with_addresses(invocation, pod, record)
    else:
        result = pods.plug_new_pod(pod.vif, pod.instance, _sandbox_of(invocation, pod))
    if vif_source.is_from_kuryr_port(invocation):
        kuryr_port_source.await_active(invocation)
    if record.device_info and result.device_info:
        device_info.write(record.device_info, dict(result.device_info))
    return _result(invocation, allocated, pod, result)


def _plug_with_addresses(
    invocation: Invocation, pod: PodVif, record: AttachmentRecord
) -> tuple[PodVif, dict[str, Any], PodResult]:
    """Plug an interface, whose device is created while the IPAM plugin runs.

    :returns: the VIF with the addresses, the result of the IPAM plugin, and the result of the plug.
    """
    allocated: dict[str, Any] = {}
    with address_delegation.allocating(invocation) as wait_for_addresses:

        def find_addressed_vif() -> objects.VIFBase:
            nonlocal allocated, pod
            allocated = wait_for_addresses()
            if vif_source.is_gateway(invocation):
                filled = vif_source.with_gateways(allocated.get("ips") or ())
                allocated = {**allocated, "ips": filled}
            pod = vif_source.with_addresses(pod, invocation, allocated)
            attachment_records.write(_with_vif(record, pod))
            return pod.vif

        if vif_source.is_gateway(invocation):
            # The bridge gets an address of the result before the device of the pod exists.
            find_addressed_vif()
            result = pods.plug_new_pod(pod.vif, pod.instance, _sandbox_of(invocation, pod))
            return pod, allocated, result
        sandbox = _sandbox_of(invocation, pod)
        try:
            result = pods.plug_new_pod(pod.vif, pod.instance, sandbox, find_addressed_vif)
        except exception.PlugException as error:
            if isinstance(error.__cause__, CniError):
                # The IPAM plugin has failed, or the result cannot be used.
                raise error.__cause__ from None
            raise
        return pod, allocated, result


def delete(invocation: Invocation) -> None:
    """Unplug the interface of a pod, and release the addresses of the pod.

    A VIF that another container has by now stays plugged. A name that no interface can have has
    no attachment.

    :raises CniError: if a part of the attachment remains.
    """
    if not is_interface_name(invocation.ifname):
        return
    record = attachment_records.read(_key(invocation))
    pod = _recorded(record) or _find_quietly(invocation)
    with (
        raised_as_cni_error("the pod cannot be unplugged"),
        attachment_locks.of_vif("" if pod is None else _id_of(pod.vif)),
    ):
        if pod is not None and not _is_of_another_container(pod):
            os_vif.unplug_pod(
                pod.vif, pod.instance, Sandbox(invocation.netns or None, invocation.ifname)
            )
        info_path = record.device_info if record is not None else ""
        if info_path:
            device_info.remove(info_path)
        if vif_source.needs_addresses(invocation):
            address_delegation.release(invocation)
        attachment_records.remove(_key(invocation))


def check(invocation: Invocation) -> None:
    """Compare the host and the pod with the attachment.

    The IPAM plugin runs at the same time: CHECK of an IPAM plugin changes nothing.

    :raises CniError: if the attachment differs, or the IPAM plugin reports an error. The error of
        the attachment has precedence.
    """
    if invocation.configuration.ipam_type is None or not vif_source.needs_addresses(invocation):
        _check_pod(invocation)
        return
    with address_delegation.checking(invocation) as finish:
        _check_pod(invocation)
        finish()


def _check_pod(invocation: Invocation) -> None:
    """Compare the host and the pod with the attachment, without the IPAM plugin.

    :raises CniError: if the attachment differs.
    """
    previous: Mapping[str, Any] = invocation.configuration.previous or {}
    record = attachment_records.read(_key(invocation))
    with raised_as_cni_error("the pod cannot be read"):
        pod = _recorded(record) or vif_source.find(invocation, previous)
        vif = attachment_check.expected_vif(invocation, pod, previous)
        sandbox = Sandbox(
            invocation.netns,
            invocation.ifname,
            default_gateway=pod.default_gateway(invocation)
            and attachment_check.has_default_route(previous),
            bridge_addresses=pod.bridge_addresses,
        )
        found = pods.check_pod_as_root(vif, pod.instance, sandbox)
    differences = attachment_check.relevant(found)
    if differences:
        raise CniError(
            Code.DIFFERS,
            f"{invocation.ifname} of the pod is not as plugged",
            "; ".join(map(str, differences)),
        )
    with raised_as_cni_error("the pod cannot be read"):
        attachment_check.require_listed(invocation, vif, sandbox, previous)


def collect(invocation: Invocation) -> None:
    """Unplug the attachments of a network that the runtime does not list.

    A failed removal does not end the collection.

    :raises CniError: with all failures, after the collection.
    """
    name = invocation.configuration.name
    valid = invocation.configuration.valid_attachments()
    failures: list[str] = []
    for record in attachment_records.read_all():
        if record.network == name and (record.container_id, record.ifname) not in valid:
            with _noting(failures, f"{record.container_id}, {record.ifname}"):
                _remove_stale(invocation, record)
    with _noting(failures, "VIFs without an attachment"):
        failures += _collect_unrecorded(name, valid)
    with _noting(failures, "the IPAM plugin"):
        address_delegation.forward(invocation)
    if failures:
        raise CniError(Code.OPERATION_FAILED, "attachments remain", "; ".join(failures))


def _remove_stale(invocation: Invocation, record: AttachmentRecord) -> None:
    """Unplug an attachment, and release the addresses.

    :raises CniError: if a part of the attachment remains.
    """
    variables = {
        "CNI_CONTAINERID": record.container_id,
        "CNI_IFNAME": record.ifname,
        "CNI_NETNS": "",
        "CNI_ARGS": "",
    }
    environment = {**invocation.environment, **variables}
    stale = Invocation(invocation.command, environment, invocation.raw, invocation.configuration)
    delete(stale)


def _collect_unrecorded(name: str, valid: frozenset[tuple[str, str]]) -> list[str]:
    """Unplug VIFs of the network whose attachments have no record.

    :returns: a sentence for each failure.
    """
    containers = {container_id for container_id, _ in valid}
    ids = {vif_source.vif_id(name, *attachment) for attachment in valid}

    def is_kept(entry: Plugged) -> bool:
        network: Any = entry.vif.network if "network" in entry.vif else None
        label = network.label if network is not None and "label" in network else None
        instance = entry.instance.name if "name" in entry.instance else None
        if label != name or entry.id in ids or instance in containers:
            return True
        # Last, because ADD writes the record of the attachment before the VIF is on the host.
        return _is_recorded(entry)

    owner = cfg.CONF.os_vif.owner
    failures: list[str] = []
    found = os_vif.inventory()
    stale = [entry for entry in found if entry.owner == owner and not is_kept(entry)]
    for entry in stale:
        # The name of the interface is unknown: the device of the host ends with its peer.
        with _noting(failures, entry.id), attachment_locks.of_vif(entry.id):
            if is_kept(entry):
                # A call for another network has plugged the VIF in the meantime.
                continue
            os_vif.unplug_pod(entry.vif, entry.instance, Sandbox(None, _UNKNOWN_INTERFACE))
    if not stale:
        return [*failures, *found.errors]
    report = os_vif.collect(is_kept, owner=owner, older_than=0, observations=1, pending=True)
    failures += report.errors
    return [*failures, *(f"{each.entry.id}: {each.reason}" for each in report.failed)]


def _is_recorded(entry: Plugged) -> bool:
    """Return whether an attachment of any network has the VIF of an entry.

    A record with a VIF that cannot be read stands for all VIFs of the container.
    """
    for record in attachment_records.read_all():
        pod = _recorded(record)
        if pod is None:
            if "name" in entry.instance and entry.instance.name == record.container_id:
                return True
        elif entry.id in (pod.vif.id if "id" in pod.vif else "", getattr(pod.vif, "vif_name", "")):
            return True
    return False


def _require_free_name(sandbox: Sandbox) -> None:
    """Raise CniError if the pod has an interface of the name, or the namespace does not exist."""
    if sandbox.identity is None:
        raise CniError(
            Code.UNKNOWN_CONTAINER,
            "the network namespace does not exist",
            f"CNI_NETNS is {sandbox.netns}",
        )
    path = str(sandbox.netns)
    try:
        try:
            with pod_namespaces.opened(path, sandbox.identity) as pod, pod.entered() as net:
                exists = net.link(sandbox.ifname) is not None
        except pod_namespaces.GoneError:
            # The error of a file that is no namespace differs from the error of a missing file.
            os.close(pod_namespaces.open_namespace(path, sandbox.identity))
            raise
    except pod_namespaces.GoneError as error:
        raise CniError(
            Code.UNKNOWN_CONTAINER, "the network namespace does not exist", str(error)
        ) from error
    except OSError as error:
        raise CniError(
            Code.INVALID_ENVIRONMENT, "invalid CNI_NETNS", error.strerror or str(error)
        ) from error
    if exists:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "invalid CNI_IFNAME",
            f"{sandbox.netns} has an interface named {sandbox.ifname}",
        )


def _require_unused(pod: PodVif) -> None:
    """Raise CniError if the VIF is in the existing namespace of another container.

    A plug would disconnect that container.
    """
    found = recorded_pods.read_record_of_another(pod.vif, pod.instance)
    if found is None or not found.netns:
        return
    if Sandbox(found.netns, found.ifname).identity == found.netns_id:
        raise CniError(
            Code.TRY_AGAIN_LATER,
            "the VIF is in another pod",
            f"VIF {found.vif_id} is {found.ifname} of the container {found.instance_name}; "
            "expected a DEL of that container first",
        )


def _sandbox_of(invocation: Invocation, pod: PodVif) -> Sandbox:
    """Return the sandbox of an attachment."""
    return Sandbox(
        invocation.netns,
        invocation.ifname,
        default_gateway=pod.default_gateway(invocation),
        bridge_addresses=pod.bridge_addresses,
    )


def _id_of(vif: objects.VIFBase) -> str:
    """Return the id of a VIF, or the name of a VIF without an id."""
    values = (getattr(vif, name) for name in ("id", "vif_name") if name in vif)
    return next((value for value in values if value), "")


def _key(invocation: Invocation) -> tuple[str, str, str]:
    """Return the key of the record of an attachment."""
    return invocation.configuration.name, invocation.container_id, invocation.ifname


def _record(invocation: Invocation, pod: PodVif, info_path: str) -> AttachmentRecord:
    """Return the record of an attachment."""
    return AttachmentRecord(
        *_key(invocation),
        netns=invocation.netns,
        vif=serialization.dumps(pod.vif),
        instance=serialization.dumps(pod.instance),
        source="made" if pod.is_made_here else "document",
        device_info=info_path,
        bridge_addresses=" ".join(pod.bridge_addresses),
    )


def _with_vif(record: AttachmentRecord, pod: PodVif) -> AttachmentRecord:
    """Return a record with the addresses of a VIF."""
    return dataclasses.replace(
        record,
        vif=serialization.dumps(pod.vif),
        bridge_addresses=" ".join(pod.bridge_addresses),
    )


def _recorded(record: AttachmentRecord | None) -> PodVif | None:
    """Return the VIF of a record; None without a record, and for a VIF that cannot be read.

    Another release of os-vif may have written the record. DEL and GC then use the configuration.
    """
    if record is None:
        return None
    try:
        vif = serialization.loads(record.vif)
        instance = serialization.loads(record.instance)
        if not isinstance(vif, objects.VIFBase) or not isinstance(instance, objects.InstanceInfo):
            raise TypeError(f"{type(vif).__name__} and {type(instance).__name__} are no VIF")  # noqa: TRY301 - one warning for all
    except (exception.SerializationError, ValueError, TypeError, RecursionError) as error:
        LOG.warning(
            "The record of %s, %s cannot be used: %s", record.container_id, record.ifname, error
        )
        return None
    return PodVif(
        vif,
        instance,
        is_made_here=record.source == "made",
        bridge_addresses=tuple(record.bridge_addresses.split()),
    )


def _is_of_another_container(pod: PodVif) -> bool:
    """Return whether the VIF is plugged for another container, or for a virtual machine."""
    is_other = recorded_pods.read_record_of_another(pod.vif, pod.instance) is not None
    if is_other:
        LOG.info("A VIF of %s is plugged for another container, and stays", pod.instance.name)
    return is_other


def _delete_quietly(invocation: Invocation) -> None:
    """Remove what a failed ADD may have left; log an error."""
    try:
        delete(invocation)
    except CniError as error:
        LOG.warning("A failed ADD of %s may leave a part: %s", invocation.container_id, error)


def _find_quietly(invocation: Invocation) -> PodVif | None:
    """Return the VIF of an attachment without a record; None if no source has the VIF any more."""
    if vif_source.is_from_kuryr_port(invocation):
        # ADD has not begun: kuryr-controller may have deleted the KuryrPort.
        return None
    try:
        return vif_source.find(invocation, {})
    except CniError as error:
        LOG.warning("%s has no VIF to unplug: %s", invocation.container_id, error)
        return None


def _result(
    invocation: Invocation, allocated: Mapping[str, Any], pod: PodVif, plugged: PodResult
) -> dict[str, Any]:
    """Return the result of ADD, in the form of the version of the configuration."""
    configuration = invocation.configuration
    interfaces = [*attachment_result.host_interfaces(pod.vif, plugged)]
    own = len(interfaces)
    interfaces.append(
        {
            "name": plugged.name or invocation.ifname,
            "mac": plugged.mac,
            "mtu": plugged.mtu,
            "sandbox": invocation.netns,
            "socketPath": plugged.socket_path,
            "pciID": plugged.pci_id,
        }
    )
    if allocated:
        addresses = [{**each, "interface": own} for each in allocated.get("ips") or ()]
        routes = ipam_result.applied_routes(allocated)
        listed = {route.get("dst") for route in routes}
        routes += [
            {"dst": each.destination, "gw": each.gateway}
            for each in plugged.routes
            if each.destination in DEFAULT_ROUTES - listed
        ]
    else:
        addresses = [
            {"address": each.address, "gateway": each.gateway, "interface": own}
            for each in plugged.addresses
        ]
        routes = [{"dst": each.destination, "gw": each.gateway} for each in plugged.routes]
    servers = {"nameservers": list(plugged.dns)} if plugged.dns else {}
    dns = configuration.dns or allocated.get("dns") or servers
    joined = attachment_result.join(configuration.previous, interfaces, addresses, routes, dns)
    return attachment_result.convert(joined, configuration.version)


@contextlib.contextmanager
def _noting(failures: list[str], subject: str) -> Iterator[None]:
    """Append an error of the block to a list, with the subject."""
    try:
        yield
    except (CniError, exception.ExceptionBase) as error:
        failures.append(f"{subject}: {error}")
