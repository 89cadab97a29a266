# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Plug and unplug ports of Neutron with nova's client, translator and libvirt VIF driver.

python nova_driver.py nova.conf

Each line of standard input has an `action` (plug, unplug) and a `case`: a port, with the network
and the subnets unless nova asks the Neutron of the configuration. Each line of the output has the
OVO primitive of the VIF and the XML of the device for libvirt, or nova's error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import nova_translator

# The import above removes the folder of the two files from the module path.
from nova import config, context, objects, rpc
from nova.network import neutron, os_vif_util
from nova.virt.libvirt import vif as libvirt_vif

import os_vif


class Host:
    """A compute host with the libvirt VIF driver of nova."""

    def __init__(self, configuration: str) -> None:
        rpc.init = lambda _conf: None
        config.parse_args(["nova"], init_rpc=False, default_config_files=[configuration])
        objects.register_all()
        os_vif.initialize()
        self._admin = context.RequestContext("user1", "project1", is_admin=True)
        self._api = neutron.API()
        self._driver = libvirt_vif.LibvirtGenericVIFDriver()
        self._flavor = objects.Flavor(extra_specs={}, vcpus=1, memory_mb=64, root_gb=0)

    def act(self, action: str, case: dict[str, Any]) -> dict[str, Any]:
        """Plug or unplug a port, and return the VIF and the device for libvirt."""
        model = self._model(case)
        instance = self._instance(case["port"])
        getattr(self._driver, action)(instance, model)
        device = self._driver.get_config(
            instance, model, objects.ImageMeta.from_dict({}), self._flavor, "kvm"
        )
        vif = os_vif_util.nova_to_osvif_vif(model)
        return {"vif": vif.obj_to_primitive(), "xml": device.to_xml()}

    def _model(self, case: dict[str, Any]) -> Any:
        """Return the VIF of nova: by the replies of Neutron, or by the case without a Neutron."""
        if "network" not in case:
            client = neutron.get_client(self._admin, admin=True)
            port = client.show_port(case["port"]["id"])["port"]
            networks = client.list_networks(id=[port["network_id"]])["networks"]
            return self._api._build_vif_model(self._admin, client, port, networks, [])
        client = nova_translator.Client(case)
        self._api._refresh_neutron_extensions_cache = lambda *_args, **_kwargs: None
        neutron.get_client = lambda *_args, **_kwargs: client
        return self._api._build_vif_model(self._admin, client, case["port"], [case["network"]], [])

    def _instance(self, port: dict[str, Any]) -> Any:
        return objects.Instance(
            id=1,
            uuid=port["device_id"],
            project_id="project1",
            display_name="guest",
            flavor=self._flavor,
            image_ref="",
            system_metadata={},
        )


def main(configuration: str) -> None:
    host = Host(configuration)
    sys.stdout.write(json.dumps({"os_vif": os_vif.__file__}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = host.act(request["action"], request["case"])
        except Exception as error:  # noqa: BLE001 - the test shows the error
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
