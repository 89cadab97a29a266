# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of KuryrPorts: kuryr-controller writes ``status.vifs``, and the daemon watches the KuryrPorts.

A thread for each cluster keeps the KuryrPorts of the node, so ADD makes no request, and waits only
for a KuryrPort that is not complete. A lost connection is made again. The module needs lightkube:
install ``os-vif[kubernetes]``.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from os_vif import exception, objects
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import Invocation
from os_vif.cni.network_configuration import invalid_field
from os_vif.escape import abbreviated, described_error
from os_vif.serialization import storage

LOG = logging.getLogger(__name__)

#: Seconds to wait for a complete KuryrPort.
_TIMEOUT = 60.0
#: Seconds between two connections to an API server that refuses the watch.
_PAUSE = 1.0
_NODE_LABEL = "kuryr.openstack.org/nodeName"
_FIELDS = {"kubeconfig": str, "nodeName": str, "timeout": int | float}


class KuryrPorts:
    """The KuryrPorts of a node, kept by a thread.

    :param watch: returns an iterable of an event, such as ``ADDED``, and the KuryrPort as plain data.
    """

    def __init__(self, watch: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]) -> None:
        self._watch = watch
        self._condition = threading.Condition()
        self._ports: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._error = "the API server has listed no KuryrPort of the pod"
        threading.Thread(target=self._follow, name="kuryrports", daemon=True).start()

    def await_vifs(
        self,
        namespace: str,
        name: str,
        uid: str,
        is_complete: Callable[[Mapping[str, objects.VIFBase]], bool],
        timeout: float,
    ) -> Mapping[str, objects.VIFBase]:
        """Return the VIFs of a pod by interface, when the KuryrPort is complete.

        :param uid: the uid of the pod; a KuryrPort of an earlier pod is not complete.
        :raises CniError: if the KuryrPort is not complete within *timeout* seconds.
        """
        deadline = time.monotonic() + timeout
        with self._condition:
            while True:
                vifs = self._vifs(namespace, name, uid)
                if vifs and is_complete(vifs):
                    return vifs
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise CniError(
                        Code.TRY_AGAIN_LATER,
                        f"the KuryrPort of {namespace}/{name} is not complete",
                        f"after {timeout:g} s: {self._reason(namespace, name, uid)}",
                    )
                self._condition.wait(remaining)

    def _vifs(self, namespace: str, name: str, uid: str) -> Mapping[str, objects.VIFBase]:
        """Return the VIFs of a KuryrPort; empty without a KuryrPort of the pod.

        :raises CniError: for VIFs that cannot be read.
        """
        port = self._ports.get((namespace, name))
        if port is None or not (port.get("status") or {}).get("vifs"):
            return {}
        if uid and (port.get("spec") or {}).get("podUid", uid) != uid:
            return {}
        try:
            return storage.read(dict(port))
        except exception.SerializationError as error:
            raise CniError(
                Code.INVALID_CONFIGURATION,
                f"the KuryrPort of {namespace}/{name} cannot be read",
                str(error),
            ) from error

    def _reason(self, namespace: str, name: str, uid: str) -> str:
        """Return why a KuryrPort is not complete."""
        port = self._ports.get((namespace, name))
        if port is None:
            return self._error
        if not self._vifs(namespace, name, uid):
            return "the KuryrPort has no VIFs, or is of an earlier pod"
        return "the interface is missing or not active"

    def _follow(self) -> None:
        """Keep the KuryrPorts, until the process ends."""
        while True:
            try:
                # A new watch lists all KuryrPorts again.
                with self._condition:
                    self._ports.clear()
                for event, port in self._watch():
                    self._note(event, port)
            except Exception as error:  # noqa: BLE001 - any error of the client; the watch goes on
                LOG.warning("The watch of KuryrPorts failed: %s", described_error(error))
                self._error = f"the API server cannot be watched: {described_error(error)}"
            time.sleep(_PAUSE)

    def _note(self, event: str, port: Mapping[str, Any]) -> None:
        """Store or remove a KuryrPort, and wake the waiting calls."""
        metadata = port.get("metadata") or {}
        key = str(metadata.get("namespace")), str(metadata.get("name"))
        with self._condition:
            if event == "DELETED":
                self._ports.pop(key, None)
            else:
                self._ports[key] = port
            self._condition.notify_all()


def is_configured(invocation: Invocation) -> bool:
    """Return whether the configuration names a cluster."""
    return invocation.configuration.plain.get("kubernetes") is not None


def find(invocation: Invocation) -> Mapping[str, objects.VIFBase]:
    """Return the VIFs of the pod by interface, from the KuryrPort.

    :raises CniError: for an unusable configuration, and without a complete KuryrPort in time.
    """
    return _await(invocation, lambda vifs: invocation.ifname in vifs)


def await_active(invocation: Invocation) -> None:
    """Wait until neutron has made the port of the interface active.

    :raises CniError: if the port is not active in time.
    """

    def is_active(vifs: Mapping[str, objects.VIFBase]) -> bool:
        vif = vifs.get(invocation.ifname)
        return vif is not None and bool(getattr(vif, "active", True))

    _await(invocation, is_active)


def _await(
    invocation: Invocation, is_complete: Callable[[Mapping[str, objects.VIFBase]], bool]
) -> Mapping[str, objects.VIFBase]:
    """Wait for a KuryrPort of the pod.

    :raises CniError: as :func:`find`.
    """
    cluster = _cluster(invocation)
    arguments = invocation.pod_arguments
    name, namespace = arguments.get("K8S_POD_NAME"), arguments.get("K8S_POD_NAMESPACE")
    if not name or not namespace:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            "invalid CNI_ARGS",
            "K8S_POD_NAME or K8S_POD_NAMESPACE is missing; a KuryrPort needs both",
        )
    ports = _ports_of(cluster.get("kubeconfig", ""), cluster.get("nodeName", ""))
    return ports.await_vifs(
        namespace,
        name,
        arguments.get("K8S_POD_UID", ""),
        is_complete,
        float(cluster.get("timeout", _TIMEOUT)),
    )


def _cluster(invocation: Invocation) -> Mapping[str, Any]:
    """Return the field ``kubernetes`` of the configuration.

    :raises CniError: for a value of a wrong type.
    """
    cluster = invocation.configuration.plain["kubernetes"]
    if not isinstance(cluster, dict):
        raise invalid_field("kubernetes", abbreviated(cluster, 80), "an object")
    for field, kind in _FIELDS.items():
        value = cluster.get(field)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            expected = "a text" if kind is str else "a number of seconds"
            raise invalid_field(f"kubernetes.{field}", abbreviated(value, 80), expected)
    return {field: value for field, value in cluster.items() if value is not None}


@functools.lru_cache(maxsize=16)
def _ports_of(kubeconfig: str, node: str) -> KuryrPorts:
    """Return the KuryrPorts of a node, and begin the watch at the first call.

    :param kubeconfig: path of the file; empty for the service account of the daemon's pod.
    :param node: the name of the node; empty for all nodes.
    :raises CniError: without lightkube, and for an unusable file.
    """
    try:
        import lightkube
        from lightkube import generic_resource
    except ImportError as error:
        raise CniError(
            Code.INVALID_CONFIGURATION,
            "the field kubernetes needs lightkube: install 'os-vif[kubernetes]>=6.0'",
            str(error),
        ) from error
    resource = generic_resource.create_namespaced_resource(
        "openstack.org", "v1", "KuryrPort", "kuryrports"
    )
    try:
        config = (
            lightkube.KubeConfig.from_file(kubeconfig)
            if kubeconfig
            else lightkube.KubeConfig.from_env()
        )
        client: Any = lightkube.Client(config=config)
    except (lightkube.ConfigError, OSError, ValueError) as error:
        raise invalid_field(
            "kubernetes.kubeconfig", f"unusable ({described_error(error)})", "a kubeconfig file"
        ) from error
    labels = {_NODE_LABEL: node} if node else None

    def watch() -> Iterable[tuple[str, Mapping[str, Any]]]:
        # The watch begins with an event for each present KuryrPort.
        for event, port in client.watch(resource, namespace="*", labels=labels):
            yield event, dict(port)

    return KuryrPorts(watch)
