# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The data that nova stores of ports of Neutron: network_info, and the XML of domains.

Each line of standard input has a list of ports, each with the network and the subnets. Each line of
the output has the OVO primitives of the VIFs (null for a port that nova does not pass to os-vif),
the column network_info of instance_info_caches, and the XML of a domain for libvirt; or nova's
error. Ports whose interface depends on a card of the machine have no domain.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import nova_translator

# The import above removes the folder of the two files from the module path.
from nova import objects
from nova.network import model as network_model
from nova.virt.libvirt import config as libvirt_config
from nova.virt.libvirt import vif as libvirt_vif


def domain(models: list[Any], driver: Any) -> str:
    """Return the XML of a domain with the interfaces and the metadata that nova defines."""
    guest = libvirt_config.LibvirtConfigGuest()
    guest.virt_type = "kvm"
    guest.name, guest.uuid = "instance-00000001", "b0000000-0000-4000-8000-000000000000"
    guest.memory, guest.vcpus = 65536, 1
    metadata = libvirt_config.LibvirtConfigGuestMetaNovaInstance()
    metadata.package = "34.0.0"
    metadata.ports = libvirt_config.LibvirtConfigGuestMetaNovaPorts(
        [
            libvirt_config.LibvirtConfigGuestMetaNovaPort(
                model["id"],
                [
                    libvirt_config.LibvirtConfigGuestMetaNovaIp(
                        ip["type"], ip["address"], ip["version"]
                    )
                    for subnet in model["network"]["subnets"]
                    for ip in subnet["ips"]
                ],
            )
            for model in models
        ]
    )
    guest.metadata.append(metadata)
    flavor = objects.Flavor(extra_specs={}, vcpus=1, memory_mb=64, root_gb=0)
    instance = objects.Instance(
        id=1, uuid=guest.uuid, project_id="p", display_name="guest", flavor=flavor, image_ref=""
    )
    for model in models:
        image = objects.ImageMeta.from_dict({})
        guest.add_device(driver.get_config(instance, model, image, flavor, "kvm"))
    return str(guest.to_xml())


def answer(api: Any, driver: Any, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the stored data of the ports."""
    models = [nova_translator.model_of(api, case) for case in cases]
    stored = {
        "vifs": [nova_translator.translate(model) for model in models],
        "network_info": network_model.NetworkInfo(models).json(),
    }
    try:
        return stored | {"domain": domain(models, driver)}
    except Exception as error:  # noqa: BLE001 - the test shows the error
        return stored | {"domain_error": repr(error)}


def main() -> None:
    api = nova_translator.start()
    driver = libvirt_vif.LibvirtGenericVIFDriver()
    for line in sys.stdin:
        try:
            found = answer(api, driver, json.loads(line))
        except Exception as error:  # noqa: BLE001
            found = {"error": repr(error)}
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
