# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The modules that an import loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("pyroute2", "oslo_privsep", "stevedore", "ovs", "ovsdbapp", "os_vif.host", "cliff")
#: Modules that oslo.versionedobjects itself loads are permitted.
BASE = "import oslo_versionedobjects.base"


def loaded(code: str) -> set[str]:
    program = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import os_vif.objects",
        "from os_vif import objects; objects.register_all(); objects.VIFBridge()",
        "from os_vif import objects, serialization; serialization.dumps(objects.VIFBridge())",
        "from os_vif.serialization import storage",
        "from os_vif import negotiation; negotiation.Offer(release='6.0.0').fingerprint",
    ],
)
def test_the_vocabulary_loads_nothing_of_a_host(code):
    """A controller needs no module for a host."""
    brought = loaded(code) - loaded(BASE)
    assert [name for name in HEAVY if name in brought] == []


def test_objects_read_a_document_without_the_package_serialization():
    """``serialization`` is a layer above ``objects``."""
    document = {"apiVersion": "os-vif/2.0", "kind": "Subnet"}
    brought = loaded(
        "from os_vif.objects import base\n"
        f"assert base.VersionedObject.obj_from_primitive({document}).obj_name() == 'Subnet'"
    )
    assert [name for name in brought if name.startswith("os_vif.serialization")] == []


def test_initialize_loads_no_netlink():
    """The first plug loads pyroute2. The options of the daemons require oslo.privsep at once."""
    brought = loaded("import os_vif; os_vif.initialize()")
    assert [
        name
        for name in ("pyroute2", "cliff", "os_vif.engine.privileged.daemon")
        if name in brought
    ] == []


def test_no_module_of_a_host_loads_pyroute2_when_imported():
    """Loading pyroute2 takes 0.1 s: the first message does it, not an import."""
    code = (
        "import importlib, pkgutil\n"
        "for name in ('steps', 'engine', 'host', 'plugins'):\n"
        "    package = importlib.import_module(f'os_vif.{name}')\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):\n"
        "        importlib.import_module(module.name)\n"
    )
    brought = loaded(code)
    assert "os_vif.host.netlink.codec" in brought
    assert [name for name in brought if name.startswith("pyroute2")] == []


@pytest.mark.parametrize(
    "group", ["vif_plug_ovs_privileged", "vif_plug_linux_bridge_privileged",
              "os_vif_sriov_privileged"],
)  # fmt: skip
def test_initialize_registers_the_options_of_the_privileged_daemons(group):
    """A service sets helper_command after initialize(), as it did with 5.3.0."""
    loaded(
        "import os_vif; os_vif.initialize()\n"
        "from oslo_config import cfg\n"
        f"cfg.CONF.set_override('helper_command', 'sudo helper', group='{group}')\n"
        f"assert cfg.CONF['{group}'].helper_command == 'sudo helper'\n"
        f"assert cfg.CONF['{group}'].capabilities == [12], 'CAP_NET_ADMIN'\n"
    )


#: Modules that are slow to import, or belong to other commands, plugins and the daemon.
NOT_FOR_CHECK = (
    "cffi", "google", "oslo_privsep", "os_vif.cmd.demo", "os_vif.cmd.store.convert",
    "os_vif.engine.privileged", "os_vif.host.ovsdb", "os_vif.operations", "os_vif.plugins.ovs",
    "os_vif.plugins.sriov", "os_vif.steps.ovs", "os_vif.testing", "pycparser", "pyroute2.ipdb",
    "pyroute2.iproute", "pyroute2.ndb", "vif_plug_linux_bridge", "vif_plug_ovs",
)  # fmt: skip


def test_check_of_a_vif_loads_neither_daemons_nor_other_commands_and_plugins(tmp_path):
    """Starting the command takes most of its time: doc/source/reference/performance_start.rst."""
    path = tmp_path / "vif.json"
    path.write_text(
        '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "linux_bridge",'
        ' "id": "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", "address": "fa:16:3e:00:00:01",'
        ' "bridge_name": "brq-missing", "vif_name": "tap-missing", "has_traffic_filtering": true,'
        ' "network": {"bridge": "brq-missing", "should_provide_bridge": true}}'
    )
    brought = loaded(
        "from os_vif.cmd import main\n"
        f"assert main.main(['check', {str(path)!r}]) == 3, 'the bridge is missing'"
    )
    assert "os_vif.plugins.linux_bridge" in brought
    assert [
        name
        for name in sorted(brought)
        if any(name == slow or name.startswith(f"{slow}.") for slow in NOT_FOR_CHECK)
    ] == []


#: Imports modules of pyroute2 as the processes of os-vif do.
SKIP_PACKAGE = """
import sys, threading
from os_vif.host.netlink import messages, pyroute2_import
pyroute2_import.skip_package()
messages.load()
assert "pyroute2" not in sys.modules and "pyroute2.ndb" not in sys.modules
"""


@pytest.mark.parametrize(
    "use",
    [
        "from pyroute2 import IPRoute, NDB",
        "import pyroute2\npyroute2.IPRoute, pyroute2.NDB, pyroute2.netlink.rtnl.ifinfmsg.ifinfmsg",
        "import pyroute2.netlink.rtnl\npyroute2.netlink.rtnl.ndmsg.ndmsg, pyroute2.config",
        "from pyroute2.iproute.linux import IPRoute\nfrom pyroute2 import config, netlink",
    ],
)
def test_the_whole_of_pyroute2_is_imported_where_another_library_imports_it(use):
    """Before that, the processes of os-vif import the modules that they need."""
    loaded(
        SKIP_PACKAGE
        + "used = sys.modules['pyroute2.netlink.rtnl.ifinfmsg']\n"
        + f"{use}\n"
        + "import pyroute2\n"
        "assert pyroute2.netlink.rtnl.ifinfmsg is used\n"
        "assert pyroute2.__spec__.loader is pyroute2.__loader__\n"
        "assert pyroute2_import.load('pyroute2.netlink.rtnl.ifinfmsg') is used\n"
        "try:\n    pyroute2.nonesuch\nexcept AttributeError:\n    pass\n"
        "else:\n    raise SystemExit('a missing name has no error')\n"
    )


def test_a_module_of_pyroute2_that_needs_a_name_of_the_package_gets_the_name():
    """A future release of pyroute2 may have such a module."""
    loaded(
        SKIP_PACKAGE + "with pyroute2_import._Placeholder():\n"
        "    import pyroute2 as early\n"
        "    from pyroute2 import config\n"
        "    assert 'pyroute2.ndb' not in sys.modules\n"
        "assert 'pyroute2' not in sys.modules\n"
        "assert early.config is config and early.IPRoute is sys.modules['pyroute2'].IPRoute\n"
    )


def test_threads_import_pyroute2_at_the_same_time():
    """Plugins import the package, and os-vif imports a further module."""
    loaded(
        SKIP_PACKAGE + "begin, complete = threading.Barrier(12), []\n"
        "def use(number):\n"
        "    begin.wait()\n"
        "    if number % 3 == 0:\n"
        "        import pyroute2\n"
        "        pyroute2.IPRoute, pyroute2.netns\n"
        "    elif number % 3 == 1:\n"
        "        from pyroute2 import NDB, IPRoute\n"
        "    else:\n"
        "        messages.DEVLINK.compile()\n"
        "    complete.append(number)\n"
        "threads = [threading.Thread(target=use, args=(n,)) for n in range(12)]\n"
        "sys.setswitchinterval(1e-5)\n"
        "for thread in threads:\n    thread.start()\n"
        "for thread in threads:\n    thread.join(60)\n"
        "assert sorted(complete) == [*range(12)], complete\n"
    )


def test_importing_the_facade_loads_no_oslo():
    """Objects are loaded at first use."""
    assert not [name for name in loaded("import os_vif") if name.startswith("oslo")]


def test_listing_the_options_loads_no_plugin_of_this_tree():
    """oslo-config-generator lists the options for the sample configuration of nova."""
    brought = loaded("from os_vif import opts; opts.list_plugins_opts()")
    assert [name for name in brought if name.startswith("os_vif.plugin")] == []


def test_the_options_are_listed_under_the_name_that_nova_asks_for():
    """The command is ``oslo-config-generator --namespace os_vif``."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "oslo_config.generator", "--namespace", "os_vif"],
        capture_output=True,
        text=True,
        check=True,
    )
    for text in ("[os_vif_ovs]", "#isolate_vif", "[os_vif_linux_bridge]", "#network_device_mtu"):
        assert text in done.stdout


def test_old_import_paths_still_lead_somewhere():
    """kuryr, zun, nova and neutron import these names."""
    loaded(
        "import os_vif\n"
        "from os_vif import exception, objects, opts, plugin\n"
        "from os_vif.objects import base, fields, fixed_ip, host_info, instance_info\n"
        "from os_vif.objects import network, route, subnet, vif\n"
        "from vif_plug_ovs import constants\n"
        "from vif_plug_noop import noop\n"
        "from vif_plug_linux_bridge.privsep import vif_plug\n"
        "assert constants.OVS_VHOSTUSER_PREFIX == 'vhu'\n"
    )
