# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Translate ports of Neutron to VIFs with the nova on the module path.

Each line of standard input is a port with the network and the subnets. Each line of the output has
the OVO primitive of the VIF, null for a port that nova does not pass to os-vif, or nova's error.
A neutron client that answers from the line replaces the client of nova.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

# The folder of the file is no part of nova.
del sys.path[0]
warnings.simplefilter("ignore")

from nova import config, context, objects, rpc  # noqa: E402
from nova.network import neutron, os_vif_util  # noqa: E402
from nova.objects import migrate_data  # noqa: E402

import os_vif  # noqa: E402


class Client:
    """The answers of Neutron's API about a single port."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._case = case

    def list_subnets(self, id: list[str]) -> dict[str, Any]:  # noqa: A002 - nova's argument
        return {"subnets": [s for s in self._case["subnets"] if s["id"] in id]}

    def list_ports(self, **_query: Any) -> dict[str, Any]:
        """Return the DHCP ports of the network: none."""
        return {"ports": []}

    def list_floatingips(self, **_query: Any) -> dict[str, Any]:
        return {"floatingips": []}

    def show_network(self, _network_id: str, **_query: Any) -> dict[str, Any]:
        return {"network": self._case["network"]}


def model_of(api: neutron.API, case: dict[str, Any]) -> Any:
    """Return the VIF of nova, an entry of network_info."""
    client = Client(case)
    neutron.get_client = lambda *_args, **_kwargs: client
    admin = context.RequestContext("user1", "project1", is_admin=True)
    model = api._build_vif_model(
        admin, client, case["port"], [case["network"]], case["preexisting"]
    )
    if destination := case.get("destination"):
        model = migrated(model, destination)
    return model


def translate(model: Any) -> dict[str, Any] | None:
    """Return the primitive of the VIF that nova passes to os-vif."""
    vif = os_vif_util.nova_to_osvif_vif(model)
    return None if vif is None else vif.obj_to_primitive()


def migrated(model: Any, destination: dict[str, Any]) -> Any:
    """Return the VIF of nova on the destination of a live migration.

    :param destination: the binding of the port for the host of the destination.
    """
    data = migrate_data.VIFMigrateData(
        port_id=model["id"],
        vnic_type=destination["vnic_type"],
        vif_type=destination["vif_type"],
        vif_details=destination["vif_details"],
        profile=destination["profile"],
        host=destination["host"],
        source_vif=model,
    )
    # A destination of this release sets the flag.
    data.supports_os_vif_delegation = True
    return data.get_dest_vif()


def start() -> neutron.API:
    """Initialize nova; return the client of Neutron."""
    rpc.init = lambda _conf: None
    config.parse_args(["nova"], init_rpc=False, default_config_files=[])
    objects.register_all()
    api = neutron.API()
    # The extensions of the server would be asked for.
    api._refresh_neutron_extensions_cache = lambda *_args, **_kwargs: None
    sys.stdout.write(json.dumps({"os_vif": os_vif.__file__}) + "\n")
    return api


def main() -> None:
    api = start()
    for line in sys.stdin:
        try:
            answer = {"vif": translate(model_of(api, json.loads(line)))}
        except Exception as error:  # noqa: BLE001 - the test shows the error
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
