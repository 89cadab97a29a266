# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugins of a host, and the VIF classes of each plugin."""

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

if TYPE_CHECKING:
    # For the generated types.
    from collections.abc import Sequence
    from typing import Any


def _common_version(
    name: str,
    min_version: str,
    max_version: str,
    no_class: type[exception.ExceptionBase],
    no_version: type[exception.ExceptionBase],
) -> str:
    """Return the newest version, from *min_version* to *max_version*, of a class in this process.

    :raises os_vif.exception.ExceptionBase: *no_class* for an unknown class, and *no_version*
        without a common version.
    """
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
    """A port profile class, with the versions that a plugin reads."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.8.0"))
    fields = {
        #: The name of the port profile class.
        "profile_object_name": fields.StringField(),
        #: The oldest version of the class that the plugin reads.
        "min_version": fields.StringField(),
        #: The newest version of the class that the plugin reads.
        "max_version": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        profile_object_name: str
        """The name of the port profile class."""
        min_version: str
        """The oldest version of the class that the plugin reads."""
        max_version: str
        """The newest version of the class that the plugin reads."""

        def __init__(
            self,
            context: Any = None,
            *,
            profile_object_name: str = ...,
            min_version: str = ...,
            max_version: str = ...,
        ) -> None: ...

    def get_common_version(self) -> str:
        """Return the newest version of the port profile known to the plugin and to this process.

        :raises os_vif.exception.NoMatchingPortProfileClass: for an unknown class.
        :raises os_vif.exception.NoSupportedPortProfileVersion: without a common version.
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
    """A VIF class that a plugin can plug, with versions and port profiles."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.8.0", adds=("supported_port_profiles",)),
    )
    fields = {
        #: The name of the VIF class.
        "vif_object_name": fields.StringField(),
        #: The oldest version of the class that the plugin reads.
        "min_version": fields.StringField(),
        #: The newest version of the class that the plugin reads.
        "max_version": fields.StringField(),
        #: The port profile classes that the plugin accepts in the VIF.
        "supported_port_profiles": fields.ListOfObjectsField("HostPortProfileInfo"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_object_name: str
        """The name of the VIF class."""
        min_version: str
        """The oldest version of the class that the plugin reads."""
        max_version: str
        """The newest version of the class that the plugin reads."""
        supported_port_profiles: list[HostPortProfileInfo]
        """The port profile classes that the plugin accepts in the VIF."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_object_name: str = ...,
            min_version: str = ...,
            max_version: str = ...,
            supported_port_profiles: Sequence[HostPortProfileInfo] = ...,
        ) -> None: ...

    def get_common_version(self) -> str:
        """Return the newest version of the VIF class known to the plugin and to this process.

        :raises os_vif.exception.NoMatchingVIFClass: for an unknown class.
        :raises os_vif.exception.NoSupportedVIFVersion: without a common version.
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
    """A plugin of the host, and the VIF classes of the plugin."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The name of the plugin.
        "plugin_name": fields.StringField(),
        #: The VIF classes that the plugin can plug.
        "vif_info": fields.ListOfObjectsField("HostVIFInfo"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        plugin_name: str
        """The name of the plugin."""
        vif_info: list[HostVIFInfo]
        """The VIF classes that the plugin can plug."""

        def __init__(
            self,
            context: Any = None,
            *,
            plugin_name: str = ...,
            vif_info: Sequence[HostVIFInfo] = ...,
        ) -> None: ...

    def has_vif(self, name: str) -> bool:
        """Return True if the plugin can plug the VIF class with a name."""
        return any(vif.vif_object_name == name for vif in self.vif_info)

    def get_vif(self, name: str) -> HostVIFInfo:
        """Return the information of the plugin about a VIF class.

        :raises os_vif.exception.NoMatchingVIFClass: if the plugin cannot plug the class.
        """
        for vif in self.vif_info:
            if vif.vif_object_name == name:
                return vif
        raise exception.NoMatchingVIFClass(name=name)

    def filter_vif_types(self, permitted_vif_type_names: Iterable[str]) -> None:
        """Keep, in place, only the VIF classes with permitted names."""
        permitted = set(permitted_vif_type_names)
        # Editors that do not infer comprehensions take the type of the field from the variable.
        kept: list[HostVIFInfo] = [v for v in self.vif_info if v.vif_object_name in permitted]
        self.vif_info = kept


@ovo.VersionedObjectRegistry.register
class HostInfo(
    base.VersionedObject, ovo.ComparableVersionedObject, base.VersionedObjectPrintableMixin
):
    """All plugins of a host."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The plugins of the host.
        "plugin_info": fields.ListOfObjectsField("HostPluginInfo"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        plugin_info: list[HostPluginInfo]
        """The plugins of the host."""

        def __init__(
            self,
            context: Any = None,
            *,
            plugin_info: Sequence[HostPluginInfo] = ...,
        ) -> None: ...

    def has_plugin(self, name: str) -> bool:
        """Return True if the host has the plugin with a name."""
        return any(plugin.plugin_name == name for plugin in self.plugin_info)

    def get_plugin(self, name: str) -> HostPluginInfo:
        """Return the information of the host about a plugin.

        :raises os_vif.exception.NoMatchingPlugin: if the host lacks the plugin.
        """
        for plugin in self.plugin_info:
            if plugin.plugin_name == name:
                return plugin
        raise exception.NoMatchingPlugin(plugin_name=name)

    def filter_vif_types(self, permitted_vif_type_names: Iterable[str]) -> None:
        """Keep, in place, only the VIF classes with permitted names, and plugins with a VIF class."""
        permitted = set(permitted_vif_type_names)
        for plugin in self.plugin_info:
            plugin.filter_vif_types(permitted)
        kept: list[HostPluginInfo] = [plugin for plugin in self.plugin_info if plugin.vif_info]
        self.plugin_info = kept


def describe(
    plugin_name: str,
    vifs: Mapping[type[base.VersionedObject], Iterable[type[base.VersionedObject]]],
) -> HostPluginInfo:
    """Return the result of ``PluginBase.describe()``, with the versions of the classes.

    :param plugin_name: the name of the entry point.
    :param vifs: the VIF classes of the plugin, each with the port profile classes for the VIF.
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
    """Return the oldest readable version: the first version of the declared history."""
    declared = history.declared_history(cls)
    return declared[0].number if declared else cls.VERSION
