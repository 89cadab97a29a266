# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deprecated import paths: a warning names the replacement, and host-independent code works."""

from __future__ import annotations

import json
import pathlib
import pkgutil
import re
import subprocess
import sys
import warnings

import pytest
from oslo_config import cfg

from os_vif import exception, objects, opts
from os_vif import steps as host_steps
from os_vif.plugins import linux_bridge as new_linux_bridge
from os_vif.plugins import ovs as new_ovs
from os_vif.steps.ovs import bridge, port
from os_vif.steps.plan import Plan
from os_vif.testing.fake_card import Sysfs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from os_vif.internal.ip.api import ip as ip_lib
    from vif_plug_linux_bridge import constants as linux_bridge_constants
    from vif_plug_linux_bridge import linux_bridge
    from vif_plug_ovs import constants, linux_net, ovs
    from vif_plug_ovs import exception as ovs_exception
    from vif_plug_ovs.ovsdb import ovsdb_lib

#: The import statement of each old name, and the number of warnings.
IMPORTS = {
    "import os_vif.internal": 1,
    "from os_vif.internal.ip.api import ip": 1,
    "import os_vif.internal.ip.api as ip": 1,
    "from vif_plug_ovs import exception": 1,
    "from vif_plug_ovs import linux_net": 1,
    "from vif_plug_ovs import ovs": 1,
    "import vif_plug_ovs.ovs": 1,
    "from vif_plug_ovs.ovsdb import ovsdb_lib": 1,
    "from vif_plug_ovs.ovsdb.ovsdb_lib import BaseOVS": 1,
    "from vif_plug_linux_bridge import linux_bridge": 1,
    "from vif_plug_linux_bridge import linux_net": 1,
    # These names have no replacement, or are part of the configuration of deployed hosts.
    "from vif_plug_ovs import constants": 0,
    "from vif_plug_ovs.privsep import vif_plug": 0,
    "from vif_plug_linux_bridge import constants": 0,
    "from vif_plug_linux_bridge.privsep import vif_plug": 0,
    "import vif_plug_ovs, vif_plug_ovs.ovsdb, vif_plug_linux_bridge": 0,
    # Imported by the program itself and by nova-compute.
    "import os_vif; os_vif.initialize(); os_vif.host_info()": 0,
    "from os_vif import opts; opts.list_plugins_opts()": 0,
}


#: Runs each program of a list in a fork of its own, and prints file, line and text of the
#: deprecation warnings about os-vif. Those of oslo are not ours to avoid.
FORKS = """
import json, os, pathlib, runpy, sys, warnings
import oslo_config.cfg, oslo_versionedobjects.base, oslo_privsep.priv_context, os_vif.objects.vif

found = []
for program in sys.argv[1:]:
    read, write = os.pipe()
    if os.fork() == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DeprecationWarning)
            runpy.run_path(program)
        told = [[w.filename, w.lineno, str(w.message)] for w in caught if "vif" in str(w.message)]
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        found.append(json.load(answer))
    os.wait()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, tuple[str, list[tuple[str, int, str]]]]:
    """Return the program and the warnings of each statement; the last has all statements."""
    folder = tmp_path_factory.mktemp("programs")
    programs = {}
    for number, statement in enumerate([*IMPORTS, "\n".join(IMPORTS)]):
        programs[statement] = folder / f"program{number}.py"
        programs[statement].write_text(f"import sys\n{statement}\n{statement}\n")
    done = subprocess.run(
        [sys.executable, "-c", FORKS, *programs.values()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        statement: (str(program), warned)
        for (statement, program), warned in zip(programs.items(), found, strict=True)
    }


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_old_import_warns_once_where_it_stands(told, statement):
    """The warning has the line of the program; imports by os-vif itself do not warn."""
    program, found = told[statement]
    assert [line[:2] for line in found] == [[program, 2]] * IMPORTS[statement]
    for _, _, text in found:
        old, _, new = text.partition(" is deprecated: ")
        assert old in statement.replace(" import ", ".").replace("from ", "")
        named = re.findall(r"os_vif(?:\.\w+)+", new)
        assert named
        for name in named:
            pkgutil.resolve_name(name)


def test_all_of_a_program_s_old_imports_warn(told):
    """Each statement warns."""
    assert [text.partition(" ")[0] for _, _, text in told["\n".join(IMPORTS)][1]] == [
        "os_vif.internal",
        "vif_plug_ovs.exception",
        "vif_plug_ovs.linux_net",
        "vif_plug_ovs.ovs",
        "vif_plug_ovs.ovsdb.ovsdb_lib",
        "vif_plug_linux_bridge.linux_bridge",
        "vif_plug_linux_bridge.linux_net",
    ]


def test_the_old_plugins_are_the_new_ones():
    assert linux_bridge.LinuxBridgePlugin is new_linux_bridge.LinuxBridgePlugin
    assert issubclass(ovs.OvsPlugin, new_ovs.OvsPlugin)
    assert linux_bridge_constants.PLUGIN_NAME == "linux_bridge"
    # The plugin plans, so a check is possible; an entry point may have the name.
    plugin = ovs.OvsPlugin.load("ovs")
    assert type(plugin) is ovs.OvsPlugin
    assert plugin.has_plan_for("plug")
    assert plugin.has_plan_for("unplug")
    assert plugin.describe().plugin_name == "ovs"


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("AgentError", {"method": "add-port"}),
        ("MissingPortProfile", {}),
        ("WrongPortProfile", {"profile": "VIFPortProfileFPTap"}),
        ("RepresentorNotFound", {"ifname": "eth0", "vf_num": "3"}),
        ("PciDeviceNotFoundById", {"id": "0000:03:00.1"}),
        ("TapCreationNotSupported", {"vif_type": "VIFBridge"}),
    ],
)
def test_the_old_errors_say_what_they_are_given(name, kwargs):
    """nova catches the base class."""
    error = getattr(ovs_exception, name)(**kwargs)
    assert isinstance(error, exception.ExceptionBase)
    assert error.kwargs == kwargs
    for value in kwargs.values():
        assert value in str(error)


ID = "11111111-2222-4333-8444-555555555555"


def test_names_of_ports():
    """kuryr calls the functions in a controller, without loading a plugin."""
    assert ovs.OvsPlugin.gen_port_name(constants.OVS_VHOSTUSER_PREFIX, ID) == "vhu11111111-22"
    assert ovs.OvsPlugin.gen_port_name("ibp", ID, max_length=64) == f"ibp{ID}"
    assert ovs.OvsPlugin.get_veth_pair_names(objects.VIFBridge(id=ID)) == (
        "qvb11111111-22",
        "qvo11111111-22",
    )
    assert ovs.OvsPlugin.NIC_NAME_LEN == 14
    assert linux_net.get_dpdk_representor_port_name(ID) == "vfr11111111-22"


def test_options_can_be_registered_in_another_group():
    """The options can be extended as a list."""
    apart = cfg.ConfigOpts()
    more = [cfg.StrOpt("socket_dir", default="/run/x")]
    apart.register_opts(ovs.OvsPlugin.CONFIG_OPTS + more, group="os_vif_other")
    apart([], project="other", default_config_files=[])
    assert apart.os_vif_other.network_device_mtu == 1500
    assert apart.os_vif_other.socket_dir == "/run/x"
    names = {option.name for option in opts.OVS} | {"socket_dir"}
    assert set(apart.os_vif_other) == names


def vif(profile: objects.VIFPortProfileBase | None = None) -> objects.VIFOpenVSwitch:
    made = objects.VIFOpenVSwitch(id=ID, network=objects.Network(bridge="br-int", mtu=1450))
    if profile is not None:
        made.port_profile = profile
    return made


def test_what_subclasses_ask_the_plugin_for():
    """Subclasses read these attributes of a plugin."""
    plugin = ovs.OvsPlugin.load("ovs")
    plain = vif(objects.VIFPortProfileOpenVSwitch(interface_id=ID))
    user_space = vif(objects.VIFPortProfileOpenVSwitch(interface_id=ID, datapath_type="netdev"))
    assert plugin._get_mtu(plain) == 1450
    plain.network.mtu = None
    assert plugin._get_mtu(plain) == 1500
    assert plugin._get_vif_datapath_type(plain) == "system"
    assert plugin._get_vif_datapath_type(plain, "netdev") == "netdev"
    assert plugin._get_vif_datapath_type(user_space) == "netdev"
    assert (plugin.supports_tc_qdisc(plain), plugin.supports_tc_qdisc(user_space)) == (True, False)
    assert plugin._get_qos_type(plain) == "linux-noop"
    assert plugin._get_qos_type(user_space) is None
    with pytest.raises(ovs_exception.MissingPortProfile):
        plugin._get_vif_port_profile(vif())
    with pytest.raises(ovs_exception.WrongPortProfile, match="VIFPortProfileFPTap"):
        plugin._get_vif_port_profile(vif(objects.VIFPortProfileFPTap()))


def test_a_method_that_is_not_called_any_more_is_not_overridden_in_silence():
    """A plugin that overrides such a method is refused, unless the plugin has its own plug()."""

    class Silent(ovs.OvsPlugin):
        def _plug_vhostuser(self, vif, instance_info):
            raise AssertionError

    with pytest.raises(TypeError, match=r"Silent overrides _plug_vhostuser\(\).*plan_plug\(\)"):
        Silent.load("silent")

    class SilentUnplug(ovs.OvsPlugin):
        def _unplug_vf(self, vif):
            raise AssertionError

    with pytest.raises(TypeError, match=r"_unplug_vf\(\).*override plan_unplug\(\) or unplug\(\)"):
        SilentUnplug.load("silent")

    class Own(Silent):
        def plug(self, vif, instance_info):
            self._plug_vhostuser(vif, instance_info)

    assert not Own.load("ovs").has_plan_for("plug")

    class Planner(ovs.OvsPlugin):
        def plan_plug(self, vif, instance_info):
            return Plan()

    assert Planner.load("ovs").has_plan_for("plug")


@pytest.fixture
def sysfs(tmp_path, monkeypatch) -> Sysfs:
    """Create a card with two virtual functions, of which one has a representor."""
    sysfs = Sysfs(tmp_path)
    sysfs.shown(monkeypatch)
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:01.0", "0000:03:01.1"])
    sysfs.below("0000:03:00.0", "a-rep")
    sysfs.below("0000:03:01.0", "vf0")
    sysfs.port("eth0", "abcd", "p0")
    sysfs.port("a-rep", "abcd", "pf0vf1")
    return sysfs


def test_functions_of_a_card(sysfs):
    """The functions are called in the order of a plugin."""
    assert linux_net.get_vf_num_by_pci_address("0000:03:01.1") == "1"
    assert linux_net.get_pf_pci_from_vf("0000:03:01.1") == "0000:03:00.0"
    ask = linux_net.get_ifname_by_pci_address
    assert ask("0000:03:01.0") == "vf0"
    assert ask("0000:03:01.1", pf_interface=True) == "eth0"
    assert ask("0000:03:01.1", pf_interface=True, switchdev=True) == "eth0"
    assert linux_net.get_representor_port("eth0", "1") == "a-rep"
    assert linux_net.get_function_by_ifname("eth0") == ("0000:03:00.0", True)
    assert linux_net.get_function_by_ifname("vf0") == ("0000:03:01.0", False)
    assert linux_net.get_function_by_ifname("lo") == (None, False)


def test_functions_that_a_card_has_not(sysfs):
    """The errors name the missing function."""
    for ask in (linux_net.get_vf_num_by_pci_address, linux_net.get_pf_pci_from_vf):
        with pytest.raises(ovs_exception.PciDeviceNotFoundById, match=r"0000:03:09\.0"):
            ask("0000:03:09.0")
    for pf_interface, switchdev in ((True, True), (True, False), (False, False)):
        with pytest.raises(ovs_exception.PciDeviceNotFoundById):
            linux_net.get_ifname_by_pci_address("0000:03:09.0", pf_interface, switchdev)
    # A virtual function without a switch.
    with pytest.raises(ovs_exception.PciDeviceNotFoundById):
        linux_net.get_ifname_by_pci_address("0000:03:01.0", switchdev=True)
    for name, number in (("eth0", "0"), ("none", "1")):
        with pytest.raises(ovs_exception.RepresentorNotFound) as info:
            linux_net.get_representor_port(name, number)
        assert info.value.kwargs == {"ifname": name, "vf_num": number}


PAGE = pathlib.Path(__file__).parents[2] / "doc/source/plugin_authors/old_names.rst"


def listed() -> dict[str, list[tuple[str, str]]]:
    """Return the rows of the table of each section, by title."""
    sections = re.split(
        r"^``([\w.]+)``\n=+$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {
        title: re.findall(
            r"^   \* - (.+)\n     - (.+)$", text.partition("\nNames ")[0], re.MULTILINE
        )[1:]
        for title, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def old_names() -> dict[str, list[str]]:
    return {
        title: [name for old, _ in rows for name in re.findall(r"``([\w.]+)``", old)]
        for title, rows in listed().items()
    }


def test_every_name_on_the_page_is_there():
    """The old name and the replacement exist."""
    for module, names in old_names().items():
        assert names
        for name in names:
            pkgutil.resolve_name(f"{module}.{name}")
    steps = {**vars(host_steps), **vars(bridge), **vars(port)}
    for rows in listed().values():
        for _, new in rows:
            for name in re.findall(r"``(os_vif\.[\w.]+)``", new):
                pkgutil.resolve_name(name)
            for name in re.findall(r"``([A-Z][a-z]\w+)", new):
                assert name in steps or name in ("Plan", "OSError"), name


def test_every_old_name_is_on_the_page():
    """The page has all names of modules and of classes."""
    page = old_names()

    def public(found: object) -> set[str]:
        return {name for name in vars(found) if not name.startswith("_")}

    functions = {
        n for n, f in vars(linux_net).items() if getattr(f, "__module__", "") == linux_net.__name__
    }
    assert {n for n in functions if not n.startswith("_")} == set(page["vif_plug_ovs.linux_net"])
    assert set(page["vif_plug_ovs.exception"]) == set(ovs_exception.__all__)
    base = {f"BaseOVS.{name}" for name in public(ovsdb_lib.BaseOVS)} - {"BaseOVS.port_steps"}
    assert {"BaseOVS", *base} == set(page["vif_plug_ovs.ovsdb.ovsdb_lib"])
    own = {f"OvsPlugin.{name}" for name in public(ovs.OvsPlugin)} - {"OvsPlugin.load"}
    assert own <= set(page["vif_plug_ovs.ovs"])
    assert {f"ip.{name}" for name in public(type(ip_lib))} == set(page["os_vif.internal.ip.api"])
