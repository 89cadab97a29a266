# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a host says of itself: which plugins it has, and which VIFs they can plug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif import exception
from os_vif.objects import base
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import Version, parse_version, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _common_version(
    name: str,
    min_version: str,
    max_version: str,
    no_class: type[exception.ExceptionBase],
    no_version: type[exception.ExceptionBase],
) -> str:
    """The newest version of a class, between the two, that this side reads and writes."""
    registered = ovo.VersionedObjectRegistry.obj_classes().get(name)
    if not registered:
        raise no_class(name=name)
    got = {cls.VERSION for cls in registered}
    got |= {v.number for cls in registered for v in history.declared_history(cls) if not v.until}
    low, high = parse_version(min_version), parse_version(max_version)
    common = [v for v in got if low <= parse_version(v) <= high]
    if not common:
        raise no_version(
            name=name,
            got_versions=sorted(got, key=parse_version),
            min_version=min_version,
            max_version=max_version,
        )
    return max(common, key=parse_version)


@ovo.VersionedObjectRegistry.register
class HostPortProfileInfo(
    base.VersionedObject, ovo.ComparableVersionedObject, base.VersionedObjectPrintableMixin
):
    """A port profile class that a plugin reads, and in which versions."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.8.0", adds=("profile_object_name", "min_version", "max_version")),
    )
    fields = {
        "profile_object_name": fields.StringField(),
        "min_version": fields.StringField(),
        "max_version": fields.StringField(),
    }

    def get_common_version(self) -> str:
        """The newest version of the profile that both sides know.

        :raises os_vif.exception.NoMatchingPortProfileClass: if it is unknown here.
        :raises os_vif.exception.NoSupportedPortProfileVersion: if there is none.
        """
        return _common_version(
            self.profile_object_name,
            self.min_version,
            self.max_version,
            exception.NoMatchingPortProfileClass,
            exception.NoSupportedPortProfileVersion,
        )


@ovo.VersionedObjectRegistry.register
class HostVIFInfo(
    base.VersionedObject, ovo.ComparableVersionedObject, base.VersionedObjectPrintableMixin
):
    """A VIF class that a plugin can plug, in which versions, and with which port profiles."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0", adds=("vif_object_name", "min_version", "max_version")),
        Version("1.1", since="1.8.0", adds=("supported_port_profiles",)),
    )
    fields = {
        "vif_object_name": fields.StringField(),
        "min_version": fields.StringField(),
        "max_version": fields.StringField(),
        "supported_port_profiles": fields.ListOfObjectsField("HostPortProfileInfo"),
    }

    def get_common_version(self) -> str:
        """The newest version of the VIF class that both sides know.

        :raises os_vif.exception.NoMatchingVIFClass: if it is unknown here.
        :raises os_vif.exception.NoSupportedVIFVersion: if there is none.
        """
        return _common_version(
            self.vif_object_name,
            self.min_version,
            self.max_version,
            exception.NoMatchingVIFClass,
            exception.NoSupportedVIFVersion,
        )


@ovo.VersionedObjectRegistry.register
class HostPluginInfo(
    base.VersionedObject, ovo.ComparableVersionedObject, base.VersionedObjectPrintableMixin
):
    """A plugin of the host, and the VIFs that it can plug."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("plugin_name", "vif_info")),
    )
    fields = {
        "plugin_name": fields.StringField(),
        "vif_info": fields.ListOfObjectsField("HostVIFInfo"),
    }

    def has_vif(self, name: str) -> bool:
        """Whether the plugin can plug the VIF class of that name."""
        return any(vif.vif_object_name == name for vif in self.vif_info)

    def get_vif(self, name: str) -> HostVIFInfo:
        """What the plugin says of one VIF class.

        :raises os_vif.exception.NoMatchingVIFClass: if it does not plug that.
        """
        for vif in self.vif_info:
            if vif.vif_object_name == name:
                return vif
        raise exception.NoMatchingVIFClass(name=name)

    def filter_vif_types(self, permitted_vif_type_names: Iterable[str]) -> None:
        """Keep, in place, only the VIF classes of those names."""
        permitted = set(permitted_vif_type_names)
        self.vif_info = [vif for vif in self.vif_info if vif.vif_object_name in permitted]


@ovo.VersionedObjectRegistry.register
class HostInfo(
    base.VersionedObject, ovo.ComparableVersionedObject, base.VersionedObjectPrintableMixin
):
    """All plugins of the host."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("plugin_info",)),
    )
    fields = {
        "plugin_info": fields.ListOfObjectsField("HostPluginInfo"),
    }

    def has_plugin(self, name: str) -> bool:
        """Whether the host has the plugin of that name."""
        return any(plugin.plugin_name == name for plugin in self.plugin_info)

    def get_plugin(self, name: str) -> HostPluginInfo:
        """What the host says of one plugin.

        :raises os_vif.exception.NoMatchingPlugin: if it has none of that name.
        """
        for plugin in self.plugin_info:
            if plugin.plugin_name == name:
                return plugin
        raise exception.NoMatchingPlugin(plugin_name=name)

    def filter_vif_types(self, permitted_vif_type_names: Iterable[str]) -> None:
        """Keep, in place, only the VIF classes of those names, and plugins that plug any."""
        permitted = set(permitted_vif_type_names)
        for plugin in self.plugin_info:
            plugin.filter_vif_types(permitted)
        self.plugin_info = [plugin for plugin in self.plugin_info if plugin.vif_info]


def describe(
    plugin_name: str,
    vifs: Mapping[type[base.VersionedObject], Iterable[type[base.VersionedObject]]],
) -> HostPluginInfo:
    """What ``PluginBase.describe()`` answers, with the versions that the classes really have.

    :param plugin_name: the name of the entry point.
    :param vifs: each VIF class that the plugin can plug, with the port profile classes for it.
    """
    return HostPluginInfo(
        plugin_name=plugin_name,
        vif_info=[
            HostVIFInfo(
                vif_object_name=vif.obj_name(),
                min_version=_oldest(vif),
                max_version=vif.VERSION,
                supported_port_profiles=[
                    HostPortProfileInfo(
                        profile_object_name=profile.obj_name(),
                        min_version=_oldest(profile),
                        max_version=profile.VERSION,
                    )
                    for profile in profiles
                ],
            )
            for vif, profiles in vifs.items()
        ],
    )


def _oldest(cls: type[base.VersionedObject]) -> str:
    """The oldest version that can be read: the first, where a history is stated."""
    own = history.declared_history(cls)
    return own[0].number if own else cls.VERSION
