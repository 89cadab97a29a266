# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What all objects of the vocabulary have in common."""

from __future__ import annotations

import copy
import functools
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec import construct
from os_vif.codec import primitive as primitive_codec
from os_vif.codec.unknown import UNKNOWN, Loss
from os_vif.objects.versioning import downgrade, losses, make_compatible
from os_vif.objects.versioning import history as _history
from os_vif.objects.versioning.manifest import TargetManifest

LOG = logging.getLogger(__name__)


class VersionedObject(ovo.VersionedObject):
    """An object of the namespace ``os_vif`` in oslo.versionedobjects' shared registry.

    A class states its :attr:`history` once; that it can be written for an older reader, and what
    each release knows of it, follows from there.
    Subclasses outside of os-vif may number their versions as they like. They may override
    ``obj_make_compatible`` and call ``super().obj_make_compatible(primitive, version)`` with a
    version of the class that they derive from; without an override they inherit well.
    """

    OBJ_PROJECT_NAMESPACE = "os_vif"

    #: Every version of the class, oldest first.
    history: tuple[_history.Version, ...] = ()

    #: What a new object has unless it is told otherwise: fields, with what makes their values.
    _obj_initial: Mapping[str, Callable[[], Any]] = {}

    @functools.cached_property
    def _changed_fields(self) -> set[str]:  # type: ignore[override]
        """Of an object that was read, and not changed so far."""
        return set(construct.changed_fields(vars(self)))

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        if (constructor := construct.of_class(type(self))) is not None:
            construct.construct(self, constructor, context, kwargs)
            return
        initial = {n: make() for n, make in self._obj_initial.items() if n not in kwargs}
        super().__init__(context, **initial | kwargs)

    if not TYPE_CHECKING:
        # Type checkers would otherwise accept the assignment of any attribute.

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute; the error of a field names class and field, found and expected.

            :raises ValueError: or another error of the field, of the type that the field raised.
            """
            try:
                super().__setattr__(name, value)
            except (ValueError, TypeError) as error:
                field = type(self).fields.get(name)
                if field is not None:
                    construct.name_field(error, f"{self.obj_name()}.{name}", field, value)
                raise

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if _history.declared_history(cls):
            _history.register(cls)
            if "obj_make_compatible" not in cls.__dict__:
                # Each class gets its own, so that super() in a third party's override reaches
                # the history of the class it names and no other.
                method = make_compatible.make_obj_make_compatible(cls)
                setattr(cls, "obj_make_compatible", method)  # noqa: B010

    def obj_to_primitive(
        self,
        target_version: str | None = None,
        version_manifest: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The OVO primitive, as plain dicts, lists, strings and numbers.

        :param target_version: version of this class to write; by default what the manifest says,
            and without one its own.
        :param version_manifest: class name to version, of what the reader knows: complete
            (:func:`os_vif.objects.versioning.history.manifest`) or partial (what oslo's
            ``obj_tree_get_versions`` makes).
        :raises oslo_versionedobjects.exception.InvalidTargetVersion: for a version that this
            class never had.
        :raises oslo_versionedobjects.exception.UnsupportedObjectError: if the manifest is
            complete, and this class is not in it.
        """
        if construct.of_class(type(self)):
            if target_version is None and not version_manifest:
                return primitive_codec.encode(self)
            written, lost, encoding = downgrade.encode(self, target_version, version_manifest)
            if lost and encoding is not None and encoding.peer.log_losses:
                _log(self.obj_name(), lost)
            return written
        if version_manifest:
            known = TargetManifest.from_mapping(version_manifest).version_to_write(self)
            target_version = target_version or known
        burnt = _history.withdrawn_version(type(self), target_version)
        if burnt is None:
            primitive = super().obj_to_primitive(target_version, version_manifest)
        else:
            # oslo would refuse the number, as it is above the class's own.
            reader = version_manifest or TargetManifest.of_release(burnt.since)
            primitive = super().obj_to_primitive(None, reader)
            primitive[self._obj_primitive_key("version")] = burnt.number
        data = self._obj_primitive_field(primitive, "data")
        changed = primitive_codec.changed_fields(
            self, data, self.obj_what_changed() | self._changed_fields
        )
        if changed:
            # oslo lists a set: equal objects would differ from process to process. And it knows
            # fields alone, not what a single release kept beside them.
            primitive[self._obj_primitive_key("changes")] = changed
        if target_version or version_manifest:
            is_logged = getattr(version_manifest, "log_losses", True)
            if is_logged and LOG.isEnabledFor(logging.WARNING):
                self._log_losses(primitive)
        return primitive

    def _log_losses(self, primitive: dict[str, Any]) -> None:
        """Oslo's call cannot say what a reader does not get, so the log does."""
        name = self.obj_name()
        try:
            lost = losses.between(self.obj_to_primitive(), primitive)
        except (ovo_exception.VersionedObjectsException, ValueError, TypeError) as error:
            # A class of somebody else's, which may not read what it writes.
            LOG.warning("%s was written for an older reader, and not read back: %s", name, error)
            return
        if lost:
            _log(name, lost)

    @classmethod
    def obj_class_from_name(cls, objname: str, objver: str) -> type[ovo.VersionedObject]:
        """The registered class that reads version ``objver`` of ``objname``."""
        if _history.is_kuryr_class(objname):
            # Not registered before somebody needs them: kuryr's own may come.
            _history.vocabulary()
        return super().obj_class_from_name(objname, _history.version_to_read(objname, objver))

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: dict[str, Any]) -> Self:
        version = _history.version_to_read(cls.obj_name(), objver)
        return super()._obj_from_primitive(context, version, primitive)

    @classmethod
    def obj_from_primitive(cls, primitive: dict[str, Any], context: Any = None) -> Self:
        """Return the object of an OVO primitive, as oslo reads it, or of a document.

        A document has ``apiVersion: os-vif/…`` instead of ``versioned_object.name``; software
        that stores primitives reads what ``os-vif convert`` made of them, unchanged.

        :raises os_vif.exception.SerializationError: for a document that is not valid.
        """
        if "apiVersion" in primitive and _is_document(primitive):
            obj = _read_document(primitive)
            obj._context = context
            return obj  # type: ignore[no-any-return]
        if cls is VersionedObject or construct.of_class(cls) is not None:
            try:
                return primitive_codec.decode(primitive, context, for_oslo=True)[0]  # type: ignore[no-any-return]
            except exception.SerializationError:
                # oslo's own code raises the error that callers expect.
                pass
        return super().obj_from_primitive(primitive, context)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        constructor = construct.of_class(type(self))
        clone: Self = (
            construct.clone(self, constructor, memo) if constructor else super().__deepcopy__(memo)
        )
        if UNKNOWN in vars(self):
            vars(clone)[UNKNOWN] = copy.deepcopy(vars(self)[UNKNOWN], memo)
        return clone

    def _obj_post_downgrade(self, primitive: dict[str, Any], peer: TargetManifest) -> None:
        """Rework ``primitive`` for a reader that keeps a value elsewhere. Mostly there is none."""


def _log(name: str, lost: Iterable[Loss]) -> None:
    if LOG.isEnabledFor(logging.WARNING):
        listed = "; ".join(str(loss) for loss in lost)
        LOG.warning("%s was written for an older reader, and loses: %s", name, listed)


def _is_document(data: Any) -> bool:
    version = data["apiVersion"] if isinstance(data, dict) else None
    return isinstance(version, str) and version.startswith("os-vif/")


def _read_document(data: dict[str, Any]) -> Any:
    """Return the object of a document.

    The layer of serialization is above this one, and is imported only when a document is met.
    """
    return importlib.import_module("os_vif.serialization.formats").from_document(data)


class VersionedObjectPrintableMixin:
    """``str()`` of the object is that of its primitive."""

    def __str__(self) -> str:
        if isinstance(self, ovo.VersionedObject):
            return str(self.obj_to_primitive())
        return super().__str__()
