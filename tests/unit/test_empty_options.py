# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An empty option in a configuration file has the default."""

from __future__ import annotations

import pytest
from oslo_config import cfg
from oslo_privsep import priv_context

import os_vif
from os_vif import objects, opts
from os_vif.plugins.linux_bridge import LinuxBridgePlugin
from os_vif.plugins.ovs import OvsPlugin

OPTIONS = [
    (group, option)
    for group, options in opts.list_plugins_opts()
    for option in options
    if group in ("os_vif_ovs", "os_vif_linux_bridge")
]


def configured(tmp_path, *lines: str) -> cfg.ConfigOpts:
    """Return the configuration of a file with the given lines."""
    path = tmp_path / "my.conf"
    path.write_text("\n".join(lines))
    conf = cfg.ConfigOpts()
    for group, options in opts.list_plugins_opts():
        conf.register_opts(options, group=group)
    conf(["--config-file", str(path)], project="os-vif")
    return conf


@pytest.mark.parametrize("blank", ["", "  ", '""', "''"])
@pytest.mark.parametrize(
    ("group", "option"), OPTIONS, ids=[f"{group}.{option.name}" for group, option in OPTIONS]
)
@pytest.mark.parametrize("own", [True, False], ids=["own-group", "deprecated-group"])
def test_an_empty_option_has_its_default(tmp_path, group, option, blank, own):
    """The default also applies in the deprecated group, and for an empty quoted value."""
    if not own and not option.deprecated_opts:
        pytest.skip("it was never in another group")
    conf = configured(tmp_path, f"[{group if own else 'DEFAULT'}]", f"{option.name} = {blank}")
    found = conf[group][option.dest]
    if option.multi:
        # The plugin receives all values, and ignores empty values.
        assert not [value for value in found if value.strip("'\" ")]
    else:
        assert found == option.default


def test_a_bridge_forwards_from_all_if_the_option_is_empty(tmp_path):
    """An empty item of a list is not the name of a device."""
    vif = objects.VIFBridge(
        id="1b2c3d4e-0000-4000-8000-000000000000", address="fa:16:3e:00:00:01",
        plugin="linux_bridge", vif_name="tap1", bridge_name="br-1",
        network=objects.Network(bridge="br-1", mtu=1500, should_provide_bridge=True),
    )  # fmt: skip

    def interfaces(*lines: str) -> tuple[str, ...]:
        conf = configured(tmp_path, "[os_vif_linux_bridge]", *lines)
        plan = LinuxBridgePlugin(conf.os_vif_linux_bridge).plan_plug(vif, objects.InstanceInfo())
        return next(step.interfaces for step in plan if hasattr(step, "interfaces"))

    assert interfaces("forward_bridge_interface =") == ("all",)
    assert interfaces("forward_bridge_interface =", "forward_bridge_interface = eth1") == ("eth1",)


def test_a_number_out_of_range_and_another_word_are_still_refused(tmp_path):
    """Only an empty value has the default."""
    for line in ("ovs_vsctl_timeout = soon", "isolate_vif = perhaps", "default_qos_type = best"):
        conf = configured(tmp_path, "[os_vif_ovs]", line)
        with pytest.raises(cfg.ConfigFileValueError):
            getattr(conf.os_vif_ovs, line.split()[0])


@pytest.mark.parametrize(
    ("lines", "connection"),
    [
        ([], "tcp:127.0.0.1:6640"),
        (["ovsdb_connection ="], "tcp:127.0.0.1:6640"),
        (["ovsdb_connection =", "ovsdb_interface ="], "tcp:127.0.0.1:6640"),
        (["ovsdb_interface = vsctl"], "tcp:127.0.0.1:6640"),
        # The same default as ovs-vsctl without --db.
        (["ovsdb_connection =", "ovsdb_interface = vsctl"], "unix:/run/openvswitch/db.sock"),
    ],
)
def test_where_the_database_is_if_the_option_is_empty(tmp_path, lines, connection):
    conf = configured(tmp_path, "[os_vif_ovs]", *lines)
    assert OvsPlugin(conf.os_vif_ovs)._switch().connection == connection


@pytest.mark.parametrize(
    "option",
    [
        "user",
        "group",
        "capabilities",
        "thread_pool_size",
        "helper_command",
        "logger_name",
        "log_daemon_traceback",
    ],
)
def test_an_empty_option_of_a_daemon_has_its_default(tmp_path, option):
    """An empty list of capabilities would leave the daemon without permissions."""
    os_vif.initialize()
    from vif_plug_ovs.privsep import vif_plug

    path = tmp_path / "my.conf"
    path.write_text(f"[vif_plug_ovs_privileged]\n{option} =\n")
    if option not in {each.name for each in priv_context.OPTS}:
        pytest.skip(f"this release of oslo.privsep has no option {option}")
    expected = getattr(vif_plug.conf, option)
    cfg.CONF(["--config-file", str(path)], project="os-vif")
    try:
        assert getattr(vif_plug.conf, option) == expected
    finally:
        cfg.CONF.clear()
