# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: loads the installed plugins for :func:`os_vif.initialize`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception, opts
from os_vif.call_errors import error_text
from os_vif.escape import described_error

if TYPE_CHECKING:
    from stevedore import extension

LOG = logging.getLogger("os_vif")


#: Whether :func:`load_plugins` loads each plugin at first use. Set by commands for one VIF.
loads_late = False


class LatePlugins:
    """The installed plugins; a plugin is loaded when a function needs the plugin.

    The class has the methods of ``stevedore.extension.ExtensionManager`` that os-vif uses. A
    plugin of another distribution, and a list of all plugins, load all plugins as usual.

    :param load_errors: receives the errors of plugins that cannot be loaded, by name.
    """

    def __init__(self, load_errors: dict[str, BaseException]) -> None:
        self._load_errors = load_errors
        self._loaded: dict[str, extension.Extension[Any]] = {}
        self._all: extension.ExtensionManager[Any] | None = None

    def __getitem__(self, name: str) -> extension.Extension[Any]:
        """Return a plugin.

        :raises KeyError: if no plugin of the name is installed.
        :raises os_vif.exception.PluginNotLoaded: if the plugin cannot be loaded.
        """
        if self._all is None and name not in self._loaded:
            loaded = _load_plugin(name)
            if loaded is not None:
                self._loaded[name] = loaded
        if name in self._loaded:
            return self._loaded[name]
        plugins = self._load_all()
        if name in self._load_errors:
            error = self._load_errors[name]
            raise exception.PluginNotLoaded(plugin_name=name, reason=error_text(error)) from error
        return plugins[name]

    def __iter__(self) -> Iterator[extension.Extension[Any]]:
        return iter(self._load_all())

    def names(self) -> list[str]:
        """Return the names of the plugins that can be imported."""
        return list(self._load_all().names())

    def _load_all(self) -> extension.ExtensionManager[Any]:
        if self._all is None:
            self._all, errors = _load_all()
            self._load_errors.update(errors)
        return self._all


def _load_plugin(name: str) -> extension.Extension[Any] | None:
    """Load a plugin of os-vif without the module of the privileged daemon, and no other plugin.

    :returns: None for a name that is not the name of exactly one plugin, which is of os-vif.
    """
    from stevedore import extension

    manager: extension.ExtensionManager[Any]
    manager = extension.ExtensionManager.make_test_instance([], namespace="os_vif")
    found = [each for each in manager.list_entry_points() if each.name == name]
    if len(found) != 1 or not opts.is_ours(found[0]):
        return None
    try:
        plugin_class = found[0].load()
        plugin = plugin_class.create(name)
    except Exception:  # noqa: BLE001 - loading all plugins logs the error
        return None
    return extension.Extension(name, found[0], plugin_class, plugin)


def load_plugins() -> tuple[extension.ExtensionManager[Any], dict[str, BaseException]]:
    """Load all installed plugins; with :data:`loads_late`, load each plugin at first use.

    :returns: the loaded plugins, and the errors of the remaining plugins by name.
    """
    from oslo_config import cfg

    opts.register_library(cfg.CONF)
    if loads_late:
        load_errors: dict[str, BaseException] = {}
        late: Any = LatePlugins(load_errors)
        return late, load_errors
    return _load_all()


def _load_all() -> tuple[extension.ExtensionManager[Any], dict[str, BaseException]]:
    """Load all installed plugins.

    :returns: the loaded plugins, and the errors of the remaining plugins by name.
    """
    from stevedore import extension

    load_errors: dict[str, BaseException] = {}
    manager: extension.ExtensionManager[Any]
    try:
        manager = extension.ExtensionManager(namespace="os_vif", invoke_on_load=False)
    except AssertionError:
        # stevedore logs the import error of a plugin, except AssertionError: an AssertionError
        # ends the construction and hides all other plugins. Load the plugins one by one instead.
        manager = extension.ExtensionManager.make_test_instance([], namespace="os_vif")
        for entry_point in manager.list_entry_points():
            with contextlib.suppress(Exception):  # _log_missing() logs the error
                loaded = extension.Extension(
                    entry_point.name, entry_point, entry_point.load(), None
                )
                manager.extensions.append(loaded)
    ceded = opts.ceded(manager.list_entry_points())
    for name, value in ceded.items():
        LOG.info(
            "The os-vif plugin %r is %s; the plugin of os-vif with that name is not loaded",
            name,
            value,
        )
    manager.extensions = [
        e for e in manager.extensions
        if e.name not in ceded or e.entry_point is None or not opts.is_ours(e.entry_point)
    ]  # fmt: skip
    _log_missing(manager, load_errors, ceded)
    for name in sorted(set(manager.names())):
        ext = manager[name]
        try:
            ext.obj = ext.plugin.load(name)
        except Exception as error:  # noqa: BLE001 - the error is logged
            load_errors[name] = error
            log_plugin_error(f"os-vif plugin {name!r} could not be loaded", error)
    LOG.info("Loaded os-vif plugins: %s", ", ".join(sorted(set(manager.names()))))
    return manager, load_errors


def audit_target() -> str | None:
    """Return ``[os_vif] audit``: ``journal``, or the path of a file; None if unset.

    :raises os_vif.exception.InvalidField: for a relative path: each process has another working
        directory.
    """
    from oslo_config import cfg

    target = (cfg.CONF.os_vif.audit or "").strip()
    if target and target != "journal" and not target.startswith("/"):
        raise exception.InvalidField(
            field="[os_vif]audit",
            found=repr(target),
            expected="'journal', or the absolute path of a file",
        )
    return target or None


def has_shared_daemon() -> bool:
    """Return whether ``[os_vif] privileged_socket`` is set. Call after :func:`load_plugins`."""
    from oslo_config import cfg

    return not loads_late and bool(cfg.CONF.os_vif.privileged_socket)


def _log_missing(
    manager: extension.ExtensionManager[Any],
    load_errors: dict[str, BaseException],
    ceded: Collection[str],
) -> None:
    """Log the plugins without an import, and the names of several plugins.

    :param manager: the imported plugins.
    :param load_errors: receives the import errors, by plugin name.
    :param ceded: names of plugins of os-vif that another distribution has taken.
    """
    loaded = {(e.name, e.entry_point_target) for e in manager.extensions if e.entry_point}
    claims: dict[str, list[str]] = {}
    for entry_point in manager.list_entry_points():
        if entry_point.name in ceded and opts.is_ours(entry_point):
            continue
        claims.setdefault(entry_point.name, []).append(entry_point.value)
        if (entry_point.name, entry_point.value) not in loaded:
            try:
                entry_point.load()
            except Exception as error:  # noqa: BLE001 - the error is logged
                named = f"{entry_point.name!r} ({entry_point.value})"
                log_plugin_error(f"os-vif plugin {named} could not be imported", error)
                if entry_point.name not in manager.names():
                    load_errors[entry_point.name] = error
    for name, values in claims.items():
        if len(values) > 1 and name in manager.names():
            LOG.warning(
                "%d os-vif plugins are named %r (%s); %s is used",
                len(values),
                name,
                ", ".join(values),
                manager[name].entry_point_target,
            )


def log_plugin_error(text: str, error: BaseException) -> None:
    """Log the error of a plugin: a line at ERROR, the traceback at DEBUG."""
    LOG.error("%s: %s", text, described_error(error))
    LOG.debug("Traceback of that failure:", exc_info=error)


def plugin_errors(
    manager: extension.ExtensionManager[Any], load_errors: Mapping[str, BaseException]
) -> dict[str, str]:
    """Return the errors of installed plugins that cannot be used, by plugin name.

    :param load_errors: the errors of plugins that could not be loaded, by plugin name.
    """
    # First, because LatePlugins adds the errors now.
    names = set(manager.names())
    reasons = {name: described_error(error) for name, error in load_errors.items()}
    for name in names - load_errors.keys():
        try:
            plugin: Any = manager[name].obj
            plugin.describe()
        except Exception as error:  # noqa: BLE001 - the error is returned
            reasons[name] = described_error(error)
    return reasons
