# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs from the stored data of nova, neutron and libvirt.

The functions change no data. An unusable value raises
:class:`os_vif.exception.SerializationError` with the path of the value.
"""

from __future__ import annotations

from os_vif.operations.imports.libvirt_domains import MAX_XML_BYTES, vifs_of_domain
from os_vif.operations.imports.neutron_client import vif_of_client_port
from os_vif.operations.imports.nova_cache import vif_of_nova, vifs_of_nova

__all__ = ["MAX_XML_BYTES", "vif_of_client_port", "vif_of_nova", "vifs_of_domain", "vifs_of_nova"]
