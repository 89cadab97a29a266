# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Unit tests of other projects that use os_vif, and the number of passing tests.

The numbers are the results of the public release 5.3.0 in the same environment, in which all tests
pass (`python -m tests.support.interop.baseline`). Tests skipped by a project do not count.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """Tests of a project, run in an environment with the requirements `pins/<project>.txt`.

    `passing` is the least number of passing tests; no test may fail.
    """

    project: str
    name: str
    tests: tuple[str, ...]
    passing: int
    python: str = "3.11"
    #: True if logs are formatted during the tests. A test of kuryr fails with formatted logs.
    logs: bool = True


_AGENT = "neutron.tests.unit.plugins.ml2.drivers.openvswitch.agent.test_ovs_neutron_agent"

SUITES = (
    Suite("nova", "translation", ("nova.tests.unit.network.test_os_vif_util",), 38),
    Suite("nova", "vif-driver", ("nova.tests.unit.virt.libvirt.test_vif",), 81),
    # The objects of nova are in the same registry as the objects of os-vif.
    Suite("nova", "objects", ("nova.tests.unit.objects.test_objects",), 75),
    Suite("nova", "all-drivers", ("nova.tests.unit.virt.test_virt_drivers",), 201),
    Suite("nova", "libvirt-driver", ("nova.tests.unit.virt.libvirt.test_driver",), 1212),
    Suite(
        "neutron",
        "ovs-agent",
        (
            # Tests of the agent need options that only this class registers, and never removes.
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
    # Kuryr registers classes with the names of our classes.
    Suite("kuryr", "all", ("kuryr_kubernetes.tests.unit",), 738, logs=False),
    # No test of zun calls os_vif, but the objects of zun derive from our objects.
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
