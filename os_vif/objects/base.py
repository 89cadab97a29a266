# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of all objects of os-vif."""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec import construct, document
from os_vif.codec import primitive as primitive_codec
from os_vif.codec.size import decode_limited
from os_vif.codec.unknown import UNKNOWN, Loss
from os_vif.objects.versioning import downgrade, losses, make_compatible
from os_vif.objects.versioning import history as _history
from os_vif.objects.versioning.manifest import TargetManifest

LOG = logging.getLogger(__name__)


class VersionedObject(ovo.VersionedObject):
    """An object of the namespace ``os_vif`` in oslo.versionedobjects' shared registry.

    Each class declares a :attr:`history`. The history defines the fields of each release, and
    the downgrade to an older reader.
    A subclass outside of os-vif has version numbers of the subclass. The subclass may override
    ``obj_make_compatible`` and call ``super().obj_make_compatible(primitive, version)`` with a
    version of the parent class; without an override, the downgrade is inherited.
    """

    OBJ_PROJECT_NAMESPACE = "os_vif"

    #: Every version of the class, oldest first.
    history: tuple[_history.Version, ...] = ()

    #: The default values of a new object: a function by name of the field.
    _obj_initial: Mapping[str, Callable[[], Any]] = {}

    @functools.cached_property
    def _changed_fields(self) -> set[str]:  # type: ignore[override]
        """The names of changed fields, created at the first use after decoding or copying."""
        return set(construct.changed_fields(vars(self)))

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        if (constructor := construct.of_class(type(self))) is not None:
            construct.construct(self, constructor, context, kwargs)
            return
        initial = {n: make() for n, make in self._obj_initial.items() if n not in kwargs}
        super().__init__(context, **initial | kwargs)

    if not TYPE_CHECKING:
        # With this method, type checkers would accept the assignment of any attribute.

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute; the error of a field names class and field, found and expected.

            :raises ValueError: or TypeError, as raised by the field.
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
                # A method for each class: super() in the override of a third party applies the
                # history of the named parent only.
                method = make_compatible.make_obj_make_compatible(cls)
                setattr(cls, "obj_make_compatible", method)  # noqa: B010

    def obj_to_primitive(
        self,
        target_version: str | None = None,
        version_manifest: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the OVO primitive, as plain dicts, lists, strings and numbers.

        :param target_version: the version of the class to write; by default the version in the
            manifest, or the version of the object.
        :param version_manifest: the versions of the classes of the reader by class name: complete
            (:func:`os_vif.objects.versioning.history.manifest`) or partial (as from
            ``obj_tree_get_versions`` of oslo).
        :raises oslo_versionedobjects.exception.InvalidTargetVersion: for a version without a
            release.
        :raises oslo_versionedobjects.exception.UnsupportedObjectError: if the manifest is
            complete and lacks the class.
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
        withdrawn = _history.withdrawn_version(type(self), target_version)
        if withdrawn is None:
            primitive = super().obj_to_primitive(target_version, version_manifest)
        else:
            # oslo would refuse the number, which is above the version of the class.
            reader = version_manifest or TargetManifest.of_release(withdrawn.since)
            primitive = super().obj_to_primitive(None, reader)
            primitive[self._obj_primitive_key("version")] = withdrawn.number
        data = self._obj_primitive_field(primitive, "data")
        changed = primitive_codec.changed_fields(
            self, data, self.obj_what_changed() | self._changed_fields
        )
        if changed:
            # oslo lists a set, in another order in each process, and without the addresses of
            # release 1.8.0.
            primitive[self._obj_primitive_key("changes")] = changed
        if target_version or version_manifest:
            is_logged = getattr(version_manifest, "log_losses", True)
            if is_logged and LOG.isEnabledFor(logging.WARNING):
                self._log_losses(primitive)
        return primitive

    def _log_losses(self, primitive: dict[str, Any]) -> None:
        """Log the losses of a downgrade, which ``obj_to_primitive`` of oslo cannot return."""
        name = self.obj_name()
        try:
            lost = losses.between(self.obj_to_primitive(), primitive)
        except (ovo_exception.VersionedObjectsException, ValueError, TypeError) as error:
            # The class of a third party may fail to write the own version.
            LOG.warning("%s was written for an older reader, and not read back: %s", name, error)
            return
        if lost:
            _log(name, lost)

    @classmethod
    def obj_class_from_name(cls, objname: str, objver: str) -> type[ovo.VersionedObject]:
        """Return the registered class that decodes version ``objver`` of ``objname``."""
        if _history.is_kuryr_class(objname):
            # Registered as late as possible: kuryr may register classes of the same names.
            _history.vocabulary()
        return super().obj_class_from_name(objname, _history.version_to_read(objname, objver))

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: dict[str, Any]) -> Self:
        version = _history.version_to_read(cls.obj_name(), objver)
        return super()._obj_from_primitive(context, version, primitive)

    @classmethod
    def obj_from_primitive(cls, primitive: dict[str, Any], context: Any = None) -> Self:
        """Return the object of an OVO primitive, with the result of oslo, or of a document.

        A document has ``apiVersion: os-vif/…`` instead of ``versioned_object.name``. Software
        with stored primitives therefore reads the documents of ``os-vif convert`` unchanged.

        :raises os_vif.exception.SerializationError: for a document that is not valid.
        """
        if "apiVersion" in primitive and _is_document(primitive):
            obj = decode_limited(document.decode, primitive)
            obj._context = context
            return obj  # type: ignore[no-any-return]
        if cls is VersionedObject or construct.of_class(cls) is not None:
            try:
                return primitive_codec.decode(primitive, context, for_oslo=True)[0]  # type: ignore[no-any-return]
            except exception.SerializationError:
                # The exceptions of oslo, which callers of oslo catch, depend on the order in which
                # oslo decodes the fields. oslo therefore decodes refused data again.
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

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for :func:`copy.copy` and ``pickle``, with unknown fields copied."""
        state = vars(self)
        if UNKNOWN in state:
            state = state | {UNKNOWN: copy.deepcopy(state[UNKNOWN])}
        return state

    def _obj_post_downgrade(self, primitive: dict[str, Any], peer: TargetManifest) -> None:
        """Change ``primitive`` for a reader with a value in another place; by default, nothing."""


def _log(name: str, lost: Iterable[Loss]) -> None:
    if LOG.isEnabledFor(logging.WARNING):
        listed = "; ".join(str(loss) for loss in lost)
        LOG.warning("%s was written for an older reader, and loses: %s", name, listed)


def _is_document(data: Any) -> bool:
    version = data["apiVersion"] if isinstance(data, dict) else None
    return isinstance(version, str) and version.startswith("os-vif/")


class VersionedObjectPrintableMixin:
    """A mixin: ``str()`` of the object is ``str()`` of the primitive."""

    def __str__(self) -> str:
        if isinstance(self, ovo.VersionedObject):
            return str(self.obj_to_primitive())
        return super().__str__()
