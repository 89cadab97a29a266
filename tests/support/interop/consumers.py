# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Which unit tests of other projects run os_vif, and how many of them pass with any good one.

The numbers are those of the public release 5.3.0 in the same environment, which all of them pass
(`python -m tests.support.interop.baseline`). Tests that a project skips by itself do not count.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """Tests of one project: `pins/<project>.txt` makes its environment.

    `passing` is the least number of tests that pass; none may fail.
    """

    project: str
    name: str
    tests: tuple[str, ...]
    passing: int
    python: str = "3.11"
    #: Whether logs are formatted while its tests run. One of kuryr's cannot be.
    logs: bool = True


_AGENT = "neutron.tests.unit.plugins.ml2.drivers.openvswitch.agent.test_ovs_neutron_agent"

SUITES = (
    Suite("nova", "translation", ("nova.tests.unit.network.test_os_vif_util",), 38),
    Suite("nova", "vif-driver", ("nova.tests.unit.virt.libvirt.test_vif",), 81),
    # Nova's objects share the registry with ours.
    Suite("nova", "objects", ("nova.tests.unit.objects.test_objects",), 75),
    Suite("nova", "all-drivers", ("nova.tests.unit.virt.test_virt_drivers",), 201),
    Suite("nova", "libvirt-driver", ("nova.tests.unit.virt.libvirt.test_driver",), 1212),
    Suite(
        "neutron",
        "ovs-agent",
        (
            # The agent's tests need options that this class alone registers, and leaves behind.
            f"{_AGENT}.AncillaryBridgesTestOSKen",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_port_update_smartnic",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_port_update_unbound_smartnic_port",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_process_smartnic_ports",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_process_smartnic_ports_remove",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_treat_smartnic_port_add",
            f"{_AGENT}.TestOvsNeutronAgentOSKen.test_treat_smartnic_port_remove",
        ),
        12,
    ),
    # Kuryr registers its own kinds under the names of ours.
    Suite("kuryr", "all", ("kuryr_kubernetes.tests.unit",), 738, logs=False),
    # Zun tests none of its code that calls os_vif, but its objects are built upon ours.
    Suite(
        "zun",
        "objects",
        (
            "zun.tests.unit.objects.test_objects",
            "zun.tests.unit.objects.test_fields",
            "zun.tests.unit.objects.test_container",
        ),
        68,
    ),
)
