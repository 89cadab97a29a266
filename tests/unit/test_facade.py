# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The public API with installed plugins, in separate processes."""

from __future__ import annotations

import textwrap

import pytest

import os_vif
from os_vif import exception, objects
from tests.support.documents.site import GOOD, Site


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_plug_before_initialize_is_an_error_that_says_what_to_do(site):
    """Every function raises the error, for any arguments."""
    site.run("""
        for call in (lambda: os_vif.plug(None, None), lambda: os_vif.unplug(None, None),
                     lambda: os_vif.plan(None, None), lambda: os_vif.check(None, None),
                     os_vif.host_info):
            try:
                call()
            except exception.LibraryNotInitialized as error:
                assert "initialize()" in str(error)
            else:
                raise SystemExit("no error")
    """)


def test_a_plugin_of_its_own_plug_is_called_with_what_the_caller_gave(site):
    """The plugin receives the same objects; its error is wrapped and chained."""
    site.install("good", "good = good:Good", GOOD)
    done = site.run("""
        import good
        os_vif.initialize()
        mine = vif("good")
        os_vif.plug(mine, INSTANCE)
        assert good.Good.calls == [("plug", mine, INSTANCE)]
        try:
            os_vif.unplug(mine, INSTANCE)
        except exception.UnplugException as error:
            assert isinstance(error.__cause__, ValueError)
            assert error.kwargs["vif"] is mine and error.kwargs["err"] is error.__cause__
            assert "the switch said no" in str(error) and "1b2c3d4e" in str(error)
    """)
    assert "ERROR Could not unplug VIFBridge(id=1b2c3d4e" in done.stderr
    # The traceback is logged at DEBUG.
    assert "Traceback" not in done.stderr


def test_a_plugin_that_acts_by_itself_has_no_plan(site):
    """plan() and check() raise an error, also for a subclass of a planning plugin."""
    site.install("good", "good = good:Good", GOOD)
    site.install(
        "half",
        "half = half:Half",
        """
        from os_vif.plugins.linux_bridge import LinuxBridgePlugin

        class Half(LinuxBridgePlugin):
            def plug(self, vif, instance_info):
                super().plug(vif, instance_info)
        """,
    )
    site.run("""
        os_vif.initialize()
        for plugin in ("good", "half"):
            for call in (os_vif.plan, os_vif.check):
                try:
                    call(vif(plugin), INSTANCE)
                except exception.PlanNotSupported as error:
                    assert plugin in str(error)
                else:
                    raise SystemExit("no error")
        half = vif("half")
        half.bridge_name = "brq1"
        half.network = objects.Network(should_provide_bridge=True)
        assert "ip link del dev brq1" in str(os_vif.plan(half, INSTANCE, unplug=True))
    """)


BROKEN = {
    "no_module": ("broken = nonesuch:Plugin", "nonesuch"),
    "no_class": ("broken = broken:Nonesuch", "Nonesuch"),
    "load_fails": ("broken = broken:FailsToLoad", "option missing"),
    "import_fails": ("broken = bad_import:Plugin", "needs a driver"),
    "assertion_fails": ("broken = bad_assert:Plugin", "AssertionError"),
    "neither_plans_nor_acts": ("broken = broken:Idle", "neither plan_plug() nor plug()"),
}


@pytest.mark.parametrize("entry_point", BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_does_not_break_the_others(site, entry_point):
    """The error is logged with the traceback; a plug through the plugin reports the reason."""
    definition, reason = entry_point
    site.install("good", "good = good:Good", GOOD)
    site.install(
        "broken",
        definition,
        """
        from os_vif.plugin import PluginBase

        class FailsToLoad(PluginBase):
            @classmethod
            def load(cls, name):
                raise KeyError("option missing")

        class Idle(PluginBase):
            def describe(self):
                pass
        """,
    )
    (site.path / "bad_import.py").write_text('raise ImportError("needs a driver")\n')
    (site.path / "bad_assert.py").write_text("assert False\n")
    done = site.run(f"""
        os_vif.initialize()
        os_vif.plug(vif("good"), INSTANCE)
        assert os_vif.host_info().has_plugin("good")
        assert not os_vif.host_info().has_plugin("broken")
        try:
            os_vif.plug(vif("broken"), INSTANCE)
        except exception.NoMatchingPlugin as error:
            assert isinstance(error, exception.PluginNotLoaded)
            assert {reason!r} in str(error) and "'broken'" in str(error)
            assert error.__cause__ is not None
        else:
            raise SystemExit("no error")
    """)
    # The traceback is logged at DEBUG.
    assert "Traceback" not in done.stderr
    assert "'broken'" in done.stderr


def test_a_plugin_whose_describe_fails_does_not_break_host_info(site):
    """The other plugins are described; the failure is logged."""
    site.install("good", "good = good:Good", GOOD)
    site.install(
        "shy",
        "shy = shy:Shy",
        """
        import good

        class Shy(good.Good):
            def describe(self):
                raise RuntimeError("no hardware")
        """,
    )
    done = site.run("""
        os_vif.initialize()
        assert os_vif.host_info().has_plugin("good")
        assert not os_vif.host_info().has_plugin("shy")
    """)
    assert "no hardware" in done.stderr


def test_a_plugin_that_is_not_installed_is_named(site):
    """The error differs from the error of an installed, broken plugin."""
    site.run("""
        os_vif.initialize()
        try:
            os_vif.plug(vif("nonesuch"), INSTANCE)
        except exception.NoMatchingPlugin as error:
            assert not isinstance(error, exception.PluginNotLoaded)
            assert "'nonesuch'" in str(error)
        else:
            raise SystemExit("no error")
    """)


def test_two_plugins_of_one_name_are_accepted_with_a_warning(site):
    """kuryr has a noop plugin too."""
    site.install(
        "kuryr_like",
        "noop = kuryr_like:NoOp",
        """
        from os_vif import objects
        from os_vif.plugin import PluginBase

        class NoOp(PluginBase):
            def describe(self):
                return objects.HostPluginInfo(plugin_name="noop", vif_info=[])
            def plug(self, vif, instance_info):
                pass
            def unplug(self, vif, instance_info):
                pass
        """,
    )
    done = site.run("""
        os_vif.initialize()
        os_vif.plug(vif("noop"), INSTANCE)
        assert [p.plugin_name for p in os_vif.host_info().plugin_info].count("noop") == 1
    """)
    assert "2 os-vif plugins are named 'noop'" in done.stderr
    assert "kuryr_like:NoOp" in done.stderr


def test_options_of_a_plugin_are_registered_under_its_name(site):
    """The group is [os_vif_tuned] of the process; options may be a list, a tuple, or inherited."""
    site.install(
        "tuned",
        "tuned = tuned:Tuned",
        """
        import good_base
        from oslo_config import cfg

        class Tuned(good_base.Good):
            CONFIG_OPTS = (cfg.IntOpt("speed", default=10, deprecated_group="DEFAULT"),)
            def __init__(self, config):
                super().__init__(config)
                self.speed = config.speed
        """,
    )
    (site.path / "good_base.py").write_text(textwrap.dedent(GOOD))
    (site.path / "my.conf").write_text(
        "[os_vif_tuned]\nspeed = 40\n[os_vif_linux_bridge]\nx = 1\n"
    )
    site.run("""
        from oslo_config import cfg
        cfg.CONF(["--config-file", "my.conf"])
        os_vif.initialize()
        assert os_vif._EXT_MANAGER["tuned"].obj.speed == 40
        assert cfg.CONF.os_vif_tuned.speed == 40
        assert not hasattr(cfg.CONF, "os_vif_noop")
        from os_vif import opts
        assert [o.name for o in dict(opts.list_plugins_opts())["os_vif_tuned"]] == ["speed"]
    """)


def test_initialize_again_does_nothing_and_reset_makes_plugins_anew(site):
    """The plugin objects are the same until a reset."""
    site.run("""
        os_vif.initialize()
        first = os_vif._EXT_MANAGER["noop"].obj
        os_vif.initialize()
        assert os_vif._EXT_MANAGER["noop"].obj is first
        os_vif.initialize(reset=True)
        assert os_vif._EXT_MANAGER["noop"].obj is not first
    """)


def test_a_plugin_may_initialize_the_library_as_it_is_loaded(site):
    """The plugin object is created once."""
    site.install(
        "nested",
        "nested = nested:Nested",
        """
        import os_vif, good_base

        class Nested(good_base.Good):
            made = 0
            @classmethod
            def load(cls, name):
                os_vif.initialize()
                cls.made += 1
                return super().load(name)
        """,
    )
    (site.path / "good_base.py").write_text(textwrap.dedent(GOOD))
    site.run("""
        os_vif.initialize()
        os_vif.plug(vif("nested"), INSTANCE)
        import nested
        assert nested.Nested.made == 1
    """)


def test_of_two_plugins_of_one_name_a_broken_one_is_logged(site):
    """The broken plugin is logged; the other plugin is used."""
    site.install("bad_noop", "noop = nonesuch:Plugin", "")
    done = site.run("""
        os_vif.initialize()
        os_vif.plug(vif("noop"), INSTANCE)
    """)
    assert "os-vif plugin 'noop' (nonesuch:Plugin) could not be imported" in done.stderr
    # The traceback is logged at DEBUG.
    assert "Traceback" not in done.stderr


def test_what_looks_like_a_vif_is_given_to_its_plugin(site):
    """The public library does the same; an object without a plugin raises an error of os-vif."""
    site.install("good", "good = good:Good", GOOD)
    site.run("""
        import types
        os_vif.initialize()
        os_vif.plug(types.SimpleNamespace(plugin="good"), INSTANCE)
        for other, field in ((None, "vif (the first argument)"), (object(), "vif.plugin")):
            try:
                os_vif.plug(other, INSTANCE)
            except exception.InvalidField as error:
                assert str(error).startswith(field)
            else:
                raise SystemExit("no error")
    """)


def test_modules_are_attributes_of_the_package(site):
    """``import os_vif`` alone gives access to the modules."""
    site.run("assert os_vif.plugin.PluginBase and os_vif.opts.list_plugins_opts")


def test_initialize_from_several_threads_loads_each_plugin_once(site):
    """No thread sees an incomplete list of plugins."""
    site.install(
        "slow",
        "slow = slow:Slow",
        """
        import time, good_base

        class Slow(good_base.Good):
            loads = 0
            @classmethod
            def load(cls, name):
                time.sleep(0.2)
                cls.loads += 1
                return super().load(name)
        """,
    )
    (site.path / "good_base.py").write_text(textwrap.dedent(GOOD))
    site.run("""
        import threading
        failures = []
        def work():
            try:
                os_vif.initialize()
                os_vif.plug(vif("slow"), INSTANCE)
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert not failures, failures
        import slow
        assert slow.Slow.loads == 1
    """)


def test_a_describe_with_old_numbers_is_accepted(site):
    """Third parties describe every class as 1.0; a common version is found."""
    site.install(
        "old",
        "old = old:Old",
        """
        from os_vif import objects
        from os_vif.plugin import PluginBase

        class Old(PluginBase):
            def describe(self):
                return objects.host_info.HostPluginInfo(plugin_name="old", vif_info=[
                    objects.host_info.HostVIFInfo(vif_object_name="VIFVHostUser",
                                                  min_version="1.0", max_version="1.0")])
            def plug(self, vif, instance_info): pass
            def unplug(self, vif, instance_info): pass
        """,
    )
    site.run("""
        os_vif.initialize()
        info = os_vif.host_info().get_plugin("old").get_vif("VIFVHostUser")
        assert info.get_common_version() == "1.0"
    """)


@pytest.fixture
def initialized():
    os_vif.initialize()


@pytest.mark.usefixtures("initialized")
def test_host_info_agrees_with_itself():
    """The common version of every VIF and profile of every plugin is the version of the class."""
    seen = 0
    for plugin in os_vif.host_info().plugin_info:
        for vif in plugin.vif_info:
            assert vif.get_common_version() == getattr(objects, vif.vif_object_name).VERSION
            for profile in vif.supported_port_profiles:
                cls = getattr(objects, profile.profile_object_name)
                assert profile.get_common_version() == cls.VERSION
                seen += 1
    assert seen >= 6


@pytest.mark.usefixtures("initialized")
def test_host_info_can_be_limited_to_some_vifs():
    """Plugins without a remaining VIF are omitted."""
    info = os_vif.host_info(permitted_vif_type_names=["VIFOpenVSwitch"])
    assert [p.plugin_name for p in info.plugin_info] == ["ovs"]
    assert [v.vif_object_name for v in info.plugin_info[0].vif_info] == ["VIFOpenVSwitch"]
    assert os_vif.host_info(permitted_vif_type_names=[]).plugin_info == []


@pytest.mark.usefixtures("initialized")
def test_a_vif_without_a_plugin_is_refused_by_name():
    """The error has the name of the field."""
    with pytest.raises(exception.InvalidField, match=r"vif\.plugin"):
        os_vif.plug(objects.VIFBridge(), objects.InstanceInfo())


@pytest.mark.usefixtures("initialized")
@pytest.mark.parametrize(
    "vif",
    [
        objects.VIFVHostUser(plugin="noop"),
        # nova passes remote-managed ports to noop, which does not describe such ports.
        objects.VIFHostDevice(plugin="noop", vif_name="x"),
    ],
)
def test_noop_does_nothing_to_any_vif(vif):
    """The functions plug, unplug, plan and check succeed."""
    instance = objects.InstanceInfo(uuid="")
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert len(os_vif.plan(vif, instance)) == 0
    assert os_vif.check(vif, instance) == ()


@pytest.mark.usefixtures("initialized")
def test_what_the_ovs_plugin_cannot_plug_is_said():
    """An unsupported VIF raises an error; a success without a change would be wrong."""
    vif = objects.VIFGeneric(plugin="ovs", port_profile=objects.VIFPortProfileOpenVSwitch())
    with pytest.raises(exception.PlugException, match="vif is a VIFGeneric; expected"):
        os_vif.plug(vif, objects.InstanceInfo())
    with pytest.raises(exception.PlanException, match="vif is a VIFGeneric; expected"):
        os_vif.check(vif, objects.InstanceInfo())
