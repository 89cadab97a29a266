# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The method ``obj_make_compatible`` of each class, for oslo.versionedobjects and third parties.

The runtime class decides the conversion at every depth. oslo.versionedobjects would use the
declared class of a field, and so write a subclass that the reader lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif.codec import primitive as primitive_codec
from os_vif.codec.primitive_encoder import has_same_shape
from os_vif.objects.versioning import history
from os_vif.objects.versioning.manifest import TargetManifest, dropped_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def make_obj_make_compatible(cls: type[Any]) -> Callable[[Any, dict[str, Any], str], None]:
    """Return the method ``obj_make_compatible`` of a class with a declared history."""

    def obj_make_compatible(self: Any, primitive: dict[str, Any], target_version: str) -> None:
        """Convert ``primitive``, the data of this object, for a reader of ``target_version``."""
        manifest = getattr(self, "_obj_version_manifest", None)
        is_inherited = type(self) is not cls and (
            type(self).obj_make_compatible is cls.__dict__["obj_make_compatible"]
        )
        reader = _reader(cls, None if is_inherited else target_version, manifest)
        if is_inherited:
            # The target version is a version of a third party's class, which has no release.
            version = reader.get(cls.__name__, cls.VERSION)
            target_version = min(version, cls.VERSION, key=history.parse_version)
        elif history.withdrawn_version(cls, reader.get(cls.__name__)):
            target_version = reader[cls.__name__]
        for field in dropped_fields(cls, target_version):
            primitive.pop(field, None)
        for name in self.fields:
            if name in primitive and self.obj_attr_is_set(name):
                primitive[name] = _convert_value(getattr(self, name), primitive[name], reader)
                if primitive[name] is _DROPPED:
                    del primitive[name]
        self._obj_post_downgrade(primitive, reader)

    return obj_make_compatible


def _reader(
    cls: type[Any], target_version: str | None, manifest: Mapping[str, str] | None
) -> TargetManifest:
    if manifest:
        return TargetManifest.from_mapping(manifest)
    if target_version is None:
        return TargetManifest.of_release(history.releases()[-1])
    return TargetManifest.of_class_version(cls, target_version)


_DROPPED = object()


def _convert_value(value: Any, primitive: Any, reader: TargetManifest) -> Any:
    """Return the primitive of a field's value for a reader.

    :returns: ``_DROPPED`` if the reader lacks the class and every parent of the class.
    """
    if not has_same_shape(value, primitive):
        return primitive
    if isinstance(value, ovo.VersionedObject):
        converted = convert_object(value, primitive, reader)
        return _DROPPED if converted is None else converted
    if isinstance(value, list):
        items = [_convert_value(v, p, reader) for v, p in zip(value, primitive, strict=True)]
        return [item for item in items if item is not _DROPPED]
    if isinstance(value, dict):
        table = {name: _convert_value(v, primitive[name], reader) for name, v in value.items()}
        return {name: item for name, item in table.items() if item is not _DROPPED}
    return primitive


def convert_foreign_object(obj: ovo.VersionedObject, reader: TargetManifest) -> dict[str, Any]:
    """Return the primitive of an object of another project's class for a reader.

    The class converts its own fields. The runtime classes of the objects in the fields convert the
    objects, also in dictionaries: with a manifest of these classes, oslo.versionedobjects would
    write the version of the declared class of a field, and convert no object in a dictionary.

    :raises oslo_versionedobjects.exception.UnsupportedObjectError: for a class of kuryr, or a class
        derived from a class of os-vif, that the reader lacks.
    """
    has_release = history.is_kuryr_class(obj.obj_name()) or any(
        history.declared_history(parent) for parent in type(obj).__mro__
    )
    if has_release and not reader.version_of(type(obj)):
        raise ovo_exception.UnsupportedObjectError(objtype=obj.obj_name())
    primitive: dict[str, Any] = obj.obj_to_primitive(
        version_manifest={obj.obj_name(): obj.VERSION}
    )
    data = obj._obj_primitive_field(primitive, "data")
    unconverted = obj._obj_primitive_field(obj.obj_to_primitive(), "data")
    for name in data.keys() & unconverted.keys():
        value = getattr(obj, name)
        if not _has_objects(value):
            continue
        data[name] = _convert_value(value, unconverted[name], reader)
        if data[name] is _DROPPED:
            del data[name]
    return primitive


def _has_objects(value: Any) -> bool:
    """Return whether a value is an object, or a list or dictionary with an object."""
    if isinstance(value, ovo.VersionedObject):
        return True
    if isinstance(value, dict):
        return any(map(_has_objects, value.values()))
    return isinstance(value, list) and any(map(_has_objects, value))


def convert_object(
    value: ovo.VersionedObject, primitive: dict[str, Any], reader: TargetManifest
) -> dict[str, Any] | None:
    """Convert the primitive of an object to the nearest class that the reader has.

    :returns: the changed *primitive*, or None if the reader lacks the class and every parent.
    """
    cls, version = reader.nearest_known_class(type(value), value.VERSION)
    if cls is None:
        return None
    data = value._obj_primitive_field(primitive, "data")
    if cls is type(value):
        value.obj_make_compatible_from_manifest(data, version, reader)
    else:
        for field in data.keys() - cls.fields.keys():
            del data[field]
        value._obj_version_manifest = reader
        try:
            cls.obj_make_compatible(value, data, version)
        finally:
            del value._obj_version_manifest
        primitive[value._obj_primitive_key("name")] = cls.obj_name()
    primitive[value._obj_primitive_key("version")] = version
    key = value._obj_primitive_key("changes")
    primitive[key] = primitive_codec.changed_fields(value, data, primitive.get(key, ()))
    if not primitive[key]:
        del primitive[key]
    return primitive
