# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names of the devices, ports and bridges of a VIF: a prefix and the beginning of the VIF's id.

:mod:`os_vif.device_names` defines the prefixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import device_names, vif_fields
from os_vif.host import limits
from os_vif.steps import validate

if TYPE_CHECKING:
    from os_vif import objects


def device_name(prefix: str, vif_id: str) -> str:
    """Return the name of a VIF's device or socket, of at most 14 characters."""
    return f"{prefix}{vif_id}"[: device_names.MAX_LENGTH]


def patch_ports(vif: objects.VIFBase) -> tuple[str, str]:
    """Return the patch port in the VIF's own bridge, and the peer in the integration bridge.

    Patch ports are no network devices, so the names have the whole id of the VIF.

    :raises os_vif.exception.InvalidField: if the VIF's id is unset or unusable in a name.
    """
    vif_id = vif_fields.port_id(vif)
    near, far = (
        f"{prefix}{vif_id}"[: validate.MAX_PORT_NAME]
        for prefix in (device_names.PER_PORT_PATCH, device_names.INTEGRATION_PATCH)
    )
    require_usable(near, vif_id)
    return near, far


def require_usable(name: str, vif_id: str) -> None:
    """Raise an InvalidField that names the VIF's id, unless a port may have the name."""
    if not limits.is_device_name(name, validate.MAX_PORT_NAME):
        expected = "the id of a Neutron port, without '/', ':', '%' or white space"
        raise vif_fields.invalid("vif.id", repr(vif_id), expected)
