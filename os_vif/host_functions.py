# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the functions of :mod:`os_vif` for the whole host and all plugins."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from os_vif import call_errors, exception, objects
from os_vif.escape import described_error

if TYPE_CHECKING:
    from stevedore import extension

    from os_vif.operations.batch import Pair, Result
    from os_vif.operations.collect import CollectReport, Keep
    from os_vif.operations.doctor.finding import Finding
    from os_vif.operations.host_inventory import Inventory
    from os_vif.plugin import PluginBase

LOG = logging.getLogger("os_vif")


def _manager() -> extension.ExtensionManager[Any]:
    """Return the loaded plugins.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`os_vif.initialize`.
    """
    import os_vif

    return os_vif._manager()  # noqa: SLF001 - a part of the facade


def _load_errors() -> Mapping[str, BaseException]:
    """Return the errors of installed plugins without a successful load, by plugin name."""
    import os_vif

    return os_vif._load_errors  # noqa: SLF001 - a part of the facade


def _plugin(name: str) -> PluginBase:
    """Return the plugin of a name.

    :raises os_vif.exception.NoMatchingPlugin: if no plugin of the name is installed or loaded.
    """
    import os_vif

    return os_vif._plugin(name)  # noqa: SLF001 - a part of the facade


def host_info(permitted_vif_type_names: Iterable[str] | None = None) -> objects.HostInfo:
    """Return the plugins of this host, with the VIF classes that each plugin can plug.

    A plugin whose ``describe()`` fails is logged at ERROR and left out.

    :param permitted_vif_type_names: names of VIF classes to include; None includes all.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    manager = _manager()
    described = []
    for name in sorted(set(manager.names()) - _load_errors().keys()):
        try:
            described.append(_plugin(name).describe())
        except Exception as error:
            text = described_error(error)
            LOG.error("describe() of os-vif plugin %r failed: %s", name, text)  # noqa: TRY400 - the traceback is logged at DEBUG
            LOG.debug("Traceback of that failure:", exc_info=error)
    info = objects.HostInfo(plugin_info=described)
    if permitted_vif_type_names is not None:
        info.filter_vif_types(permitted_vif_type_names)
    return info


def offer(host: str | None = None, guest: objects.GuestOffer | None = None) -> objects.HostOffer:
    """Return the offer of this host: the VIFs that the host can plug, for :mod:`os_vif.negotiation`.

    Facts of Open vSwitch and of the network cards are read without privileges; a fact that cannot
    be read is unset.

    :param host: the name of the host, as in ``binding:host_id``; by default the host name.
    :param guest: the settings of the guest; None makes an offer that holds for every guest.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    plugins = _loaded_plugins()
    from os_vif.operations import offered_facts

    return offered_facts.make_offer(host_info(), plugins, host, guest)


def _loaded_plugins() -> dict[str, PluginBase]:
    """Return the loaded plugins by name.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`os_vif.initialize`.
    """
    manager = _manager()
    return {
        name: cast("PluginBase", manager[name].obj)
        for name in sorted(set(manager.names()) - _load_errors().keys())
    }


def inventory() -> Inventory:
    """Return the VIFs on this host, of all programs, without changing the host.

    The devices, the rows of Open vSwitch and the records in ``/run/os-vif`` are each read once.
    ``vif`` and ``instance`` of an entry are arguments for :func:`unplug`, :func:`check` and
    :func:`plan`. Of a VIF without a record, the owner and the time are unknown.

    :returns: a tuple of :class:`~os_vif.operations.plugged.Plugged`, ordered by id. A source that
        cannot be read is a sentence in the attribute ``errors`` of the tuple; the VIFs of the
        source may be missing.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InventoryException: if the network devices cannot be read.
    """
    plugins = _loaded_plugins()
    unusable = {name: call_errors.error_text(error) for name, error in _load_errors().items()}
    from os_vif.operations import host_inventory

    try:
        return host_inventory.take_inventory(plugins, unusable)
    except OSError as error:
        raise exception.InventoryException(err=error.strerror) from error


def privsep_modules() -> list[str]:
    """Return the import paths of the privsep modules of the loaded plugins, sorted."""
    plugins = [ext.obj for ext in _manager() if ext.obj is not None]
    paths = {getattr(plugin, "privsep_module", None) for plugin in plugins}
    return sorted(path for path in paths if isinstance(path, str))


def collect(
    keep: Keep,
    *,
    owner: str | Iterable[str] | None = None,
    older_than: float = 600.0,
    observations: int = 2,
    limit: int | None = None,
    unowned: bool = False,
    pending: bool = False,
    dry_run: bool = False,
    keep_unmatched: bool = False,
) -> CollectReport:
    """Unplug the VIFs of this host that are not in use, and delete empty bridges of os-vif.

    The rules, and the exempt devices, are in :mod:`os_vif.operations.collect`.
    Errors of single VIFs are in the report.

    :param keep: the VIFs in use: VIF ids, instance uuids or other names of
        :class:`~os_vif.operations.keep_lists.KeepList`, or a function that returns whether a
        :class:`~os_vif.operations.plugged.Plugged` is in use. An empty list is an error.
    :param owner: ``[os_vif] owner`` of the VIFs, or several; None if the host has a single owner.
    :param older_than: the grace period in seconds.
    :param observations: number of collections in succession in which a VIF was not in use, before the unplug.
    :param limit: the largest number of unplugs; None for no limit.
    :param unowned: also unplug VIFs without a record, such as those of the public os-vif.
    :param pending: also unplug VIFs that wait for the hypervisor, such as the port of a guest whose
        tap device does not exist.
    :param dry_run: report the results, and change nothing. Needs no privileges.
    :param keep_unmatched: accept a list that names no VIF of this host, which is otherwise an error.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: for an unusable argument. Nothing was changed.
    :raises os_vif.exception.InventoryException: if the network devices cannot be read.
    :raises os_vif.exception.CollectException: if another collection is running, or the
        observations cannot be recorded.
    """
    import os_vif
    from os_vif.operations import collect as collection
    from os_vif.operations.pod_plugging import recorded_pods

    _manager()

    owners = collection.owners_of(owner)
    rules = collection.Rules(
        owners, older_than, observations, limit, unowned, pending, dry_run, keep_unmatched
    )

    def unplug(pairs: Sequence[Pair]) -> Sequence[Result]:
        return recorded_pods.unplug_many(pairs, os_vif.unplug_many, os_vif.unplug_pod)

    return collection.collect(keep, rules, os_vif.inventory, unplug, os_vif.plan)


def plugin_errors() -> dict[str, str]:
    """Return the errors of installed plugins that cannot be used, by plugin name.

    ``describe()`` of each loaded plugin is called, as in :func:`host_info`.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    from os_vif import plugin_loader

    return plugin_loader.plugin_errors(_manager(), _load_errors())


def diagnose(
    plugins: Collection[str] = (),
    checks: Collection[str] = (),
    unknown_options: Sequence[str] | None = None,
) -> tuple[Finding, ...]:
    """Check this host and the installation of os-vif, as ``os-vif doctor``.

    The privileged daemons are started. The configuration of the host is not changed.

    :param plugins: names of the plugins to check; empty for all.
    :param checks: names of the checks to run; empty for all.
    :param unknown_options: a sentence for each unknown option of a configuration file; None if
        the caller has read no file.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin of a name is installed.
    """
    errors = plugin_errors()
    names = set(plugins) or set(_manager().names()) | errors.keys()
    for name in names - errors.keys():
        _plugin(name)
    from os_vif.operations.doctor import examination, finding

    host = finding.Host(
        {name: _plugin(name) for name in names - errors.keys()},
        {name: reason for name, reason in errors.items() if name in names},
        unknown_options,
    )
    return examination.examine(host, checks)
