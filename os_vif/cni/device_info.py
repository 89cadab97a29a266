# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The device-info file of a pod's interface, for Multus and for DPDK programs in the pod.

The runtime names the file in the capability ``CNIDeviceInfoFile``. Source: the Device Information
Specification 1.1.0 of k8snetworkplumbingwg.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from typing import Any

from os_vif import objects
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.network_configuration import invalid_field
from os_vif.escape import abbreviated

_VERSION = "1.1.0"


def path_of(runtime_config: Any) -> str:
    """Return the path of the device-info file; empty if the runtime asks for none.

    :raises CniError: for a relative path.
    """
    path = runtime_config.get("CNIDeviceInfoFile", "")
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise invalid_field(
            "runtimeConfig.CNIDeviceInfoFile", abbreviated(path, 80), "an absolute path"
        )
    return path


def describe(vif: objects.VIFBase, pci_id: str, socket_path: str) -> dict[str, Any] | None:
    """Return the device info of a VIF; None for a VIF without a device of its own kind."""
    if socket_path:
        mode = getattr(vif, "mode", "client") if "mode" in vif else "client"
        device = {"mode": mode, "path": socket_path}
        return {"type": "vhost-user", "version": _VERSION, "vhost-user": device}
    if pci_id:
        return {"type": "pci", "version": _VERSION, "pci": {"pci-address": pci_id}}
    return None


def write(path: str, info: dict[str, Any]) -> None:
    """Write a device-info file, and replace an earlier file.

    :raises CniError: if the file cannot be written.
    """
    temporary = f"{path}.{os.getpid()}"
    try:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(temporary).write_text(json.dumps(info), encoding="utf-8")
        pathlib.Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            pathlib.Path(temporary).unlink()
        raise CniError(
            Code.IO_FAILURE, f"cannot write {path}", error.strerror or str(error)
        ) from error


def remove(path: str) -> None:
    """Delete a device-info file, if there is one.

    :raises CniError: if the file cannot be deleted.
    """
    try:
        pathlib.Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise CniError(
            Code.IO_FAILURE, f"cannot delete {path}", error.strerror or str(error)
        ) from error
