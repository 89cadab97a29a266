# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The public release's own tests of its public API hold for this os_vif."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from testbed import environments
from tests.support.interop import foreign

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject
    from tests.support.interop.foreign import Report

TESTS = (
    "os_vif.tests.unit.test_base",
    "os_vif.tests.unit.test_exception",
    "os_vif.tests.unit.test_host_info",
    "os_vif.tests.unit.test_objects",
    "os_vif.tests.unit.test_os_vif",
    "os_vif.tests.unit.test_vif",
    "vif_plug_noop.tests.unit.test_plugin",
    # The others of vif_plug_ovs replace what is inside of it: tests/interop/test_old_names.py
    # calls the same functions of both, for real.
    "vif_plug_ovs.tests.unit.test_linux_net.LinuxNetTest.test_get_ifname_by_pci_address_exception",
    "vif_plug_ovs.tests.unit.test_linux_net.LinuxNetTest.test_get_vf_num_by_pci_address_exception",
    "vif_plug_ovs.tests.unit.test_plugin.PluginTest.test__get_vif_datapath_type",
    "vif_plug_ovs.tests.unit.test_plugin.PluginTest.test_get_mtu_network_1_0_uses_config",
    "vif_plug_ovs.tests.unit.test_plugin.PluginTest.test_ovs_profile_1_0_uses_default_datapath",
)


#: Classes that no public release has.
LATER_CLASSES = (
    *("DatapathOffloadVDPA", "GuestOffer", "HostOffer", "OfferedClass", "OfferedPlugin"),
    *("OfferedVersion", "VIFPortProfileSRIOV"),
)


@pytest.fixture(scope="module")
def published_tests() -> Path:
    try:
        return environments.published_tests()
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def report(
    subject: Subject, published_tests: Path, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    try:
        python = environments.environment(
            "public", environments.pins("public"), subject.requirements
        )
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    extend = {name: published_tests / name for name in ("os_vif", "vif_plug_noop", "vif_plug_ovs")}
    return foreign.run(python, subject, TESTS, tmp_path_factory.mktemp("public"), extend)


def test_of_its_69_tests_only_that_of_the_whole_list_of_classes_finds_more(report: Report) -> None:
    """It knows no class that came later, and calls that a change."""
    (failed,) = report.tests("failed")
    assert failed.endswith("TestObjectVersions.test_versions"), report.failures()
    reference = re.search(r"^reference = (\{.*?\})$", report.failures(), re.DOTALL | re.MULTILINE)
    assert ast.literal_eval(reference[1]) == dict.fromkeys(LATER_CLASSES)
    assert report.tests("skipped") == []
    assert len(report.tests("passed")) == 68


def test_none_of_the_public_code_ran(
    report: Report, subject: Subject, published_tests: Path
) -> None:
    assert report.modules_outside(subject.path, published_tests) == {}
    assert report.modules["os_vif"] == str(subject.path / "os_vif" / "__init__.py")
    assert report.modules["vif_plug_noop"] == str(subject.path / "vif_plug_noop" / "__init__.py")
    borrowed = {name for name, file in report.modules.items() if str(published_tests) in file}
    assert {name.split(".")[1] for name in borrowed} == {"tests"}
