# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A mechanism driver of ML2 that writes VIF documents, beside the drivers of neutron.

The driver is first in ``mechanism_drivers``. If nova has put the offer of a host into the member
``os_vif`` of ``binding:profile``, the driver lets the next driver bind the port, and adds the
document of the VIF to ``binding:vif_details``. All other ports are left to the next driver.
"""

from __future__ import annotations

from typing import Any

from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api

from os_vif import negotiation

_MEMBER = "os_vif"


class DocumentMechanismDriver(api.MechanismDriver):
    """Binds the ports of hosts with an offer."""

    def initialize(self) -> None:
        pass

    @property
    def connectivity(self) -> str:
        return "l2"

    def bind_port(self, context: api.PortContext) -> None:
        """Bind a port by the next driver that can bind the port."""
        if _MEMBER not in context.current["binding:profile"]:
            return
        documented = _DocumentedContext(context)
        for driver in directory.get_plugin().mechanism_manager.ordered_mech_drivers:
            if driver.obj is not self and not documented.is_bound:
                driver.obj.bind_port(documented)


class _DocumentedContext:
    """A context of a port that adds a document to the details of the binding."""

    def __init__(self, context: api.PortContext) -> None:
        self._context = context
        self.is_bound = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def set_binding(
        self,
        segment_id: str,
        vif_type: str,
        vif_details: dict[str, Any],
        status: str | None = None,
    ) -> None:
        port = self._context.current
        binding = {
            "vif_type": vif_type,
            "vif_details": vif_details,
            "vnic_type": port["binding:vnic_type"],
            "profile": port["binding:profile"],
        }
        subnets = directory.get_plugin().get_subnets(
            self._context.plugin_context, filters={"network_id": [port["network_id"]]}
        )
        offer = negotiation.of_document(port["binding:profile"][_MEMBER])
        bound = negotiation.bind(
            {**port, **{f"binding:{name}": value for name, value in binding.items()}},
            self._context.network.current,
            subnets,
            [offer],
        )
        details = bound.vif_details(vif_details)
        self._context.set_binding(segment_id, vif_type, details, status)
        self.is_bound = True
