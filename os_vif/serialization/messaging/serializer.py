# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The serializer for clients and servers of oslo.messaging."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec import primitive
from os_vif.codec.registry import NAMESPACE
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization.messaging import object_messages
from os_vif.serialization.messaging.object_messages import Form, LossPolicy
from os_vif.serialization.messaging.release_pins import known_release

try:
    import oslo_messaging
except ImportError as error:
    raise ImportError(
        "the serializer of messages needs oslo.messaging: install 'os-vif[messaging]>=6.0'"
    ) from error

#: The oldest release of the readers: a name, a function that returns the name for each argument,
#: result or payload with objects, or None for the present release.
Release = str | Callable[[], str | None] | None
#: Returns the release for the objects of one argument, result or payload.
FindRelease = Callable[[], str | None]


class Serializer(oslo_messaging.Serializer):  # type: ignore[misc]
    """A serializer of objects of os-vif, at any depth of lists, tuples, sets and dicts.

    A set becomes a sorted list, as JSON has no sets. The methods are thread-safe if *release* and
    *base* are.

    :param release: the oldest release among the readers, such as ``5.3.0`` or ``kuryr-10.0.0``; a
        function without arguments that returns the release, such as the result of
        :func:`~os_vif.serialization.messaging.release_pins.configured_release`; None for readers
        with the present release. The serializer calls the function once for each argument of a
        call, each result and each payload with objects of os-vif. A release that the function
        returns and this library does not know counts as the newest known release before it.
    :param form: the format for readers with the present release: ``ovo``, ``json`` for documents,
        or ``protobuf``. Readers with an older release always get ``ovo``. Every format is read.
    :param base: the serializer of the program for the request context and for all values other
        than objects of os-vif, such as ``NovaObjectSerializer()``. None leaves the context and
        the values unchanged, and refuses objects of other projects.
    :param losses: ``refuse`` raises DataLoss for values that the readers cannot have; ``tell``
        logs a warning with the paths of the values, and sends the object without the values.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release, or a value that is neither a
        name nor a function.
    :raises ValueError: for an unknown *form* or *losses*, and for a release that does not read the
        form.
    """

    def __init__(
        self,
        release: Release = None,
        *,
        form: Form = "ovo",
        base: oslo_messaging.Serializer | None = None,
        losses: LossPolicy = "refuse",
    ) -> None:
        object_messages.require_choice(form, object_messages.FORMS, "form")
        object_messages.require_choice(losses, object_messages.LOSS_POLICIES, "losses")
        if release is not None and not callable(release):
            object_messages.require_release(release, "release")
            if release != CURRENT_RELEASE and form != primitive.FORM:
                raise ValueError(
                    f"{release} does not read the form {form!r}, only {primitive.FORM!r}"
                )
        self._release = release
        self._form = form
        self._base = oslo_messaging.NoOpSerializer() if base is None else base
        self._has_base = base is not None
        self._losses = losses

    def serialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """Return an argument, a result or a payload as plain data.

        :raises os_vif.exception.DataLoss: for values that the readers cannot have.
        :raises os_vif.exception.UnknownKind: for an object of a class that the readers lack.
        :raises os_vif.exception.UnsupportedVersion: for an unknown release of the readers.
        :raises os_vif.exception.InvalidValue: for an object of another project without a *base*,
            and for containers that nest too deeply.
        """
        try:
            return self._serialize(ctxt, entity, functools.cache(self._find_release))
        except RecursionError:
            raise exception.InvalidValue(
                found="containers that nest too deeply", expected="at most some hundred levels"
            ) from None

    def deserialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """Return the value of plain data, with the objects of os-vif and of *base*.

        :raises os_vif.exception.SerializationError: for an invalid object of os-vif, with the path
            of the field.
        """
        try:
            return self._base.deserialize_entity(ctxt, self._decode(ctxt, entity))
        except RecursionError:
            raise exception.MalformedDocument(
                found="objects or arrays that nest too deeply",
                expected="at most some hundred levels",
            ) from None

    def serialize_context(self, ctxt: Any) -> Any:
        """Return the request context as *base* serializes it."""
        return self._base.serialize_context(ctxt)

    def deserialize_context(self, ctxt: Any) -> Any:
        """Return the request context as *base* deserializes it."""
        return self._base.deserialize_context(ctxt)

    def _find_release(self) -> str | None:
        """Return the oldest release of the readers; None for the present release."""
        if not callable(self._release):
            return self._release
        release = self._release()
        return None if release is None else known_release(release, "the function 'release'")

    def _serialize(self, ctxt: Any, entity: Any, find_release: FindRelease) -> Any:
        return self._base.serialize_entity(ctxt, self._encode(ctxt, entity, find_release))

    def _encode(self, ctxt: Any, entity: Any, find_release: FindRelease) -> Any:
        """Return *entity* with plain data in the place of objects of os-vif, and without sets."""
        if isinstance(entity, ovo.VersionedObject):
            return self._encode_object(entity, find_release)
        if isinstance(entity, dict):
            return {name: self._encode(ctxt, v, find_release) for name, v in entity.items()}
        if isinstance(entity, (set, frozenset)):
            # Only plain data has an order, so base serializes the members first.
            return _sorted([self._serialize(ctxt, member, find_release) for member in entity])
        if isinstance(entity, (list, tuple)):
            return [self._encode(ctxt, member, find_release) for member in entity]
        return entity

    def _encode_object(self, obj: ovo.VersionedObject, find_release: FindRelease) -> Any:
        namespace = obj.OBJ_PROJECT_NAMESPACE
        if namespace == NAMESPACE:
            return object_messages.encode(obj, find_release(), self._form, self._losses)
        if not self._has_base:
            raise exception.InvalidValue(
                found=f"the object {obj.obj_name()} of the project {namespace}",
                expected="objects of os-vif only, or the argument 'base' of the serializer with "
                "the serializer of that project",
            )
        return obj

    def _decode(self, ctxt: Any, entity: Any) -> Any:
        """Return *entity* with objects in the place of the plain data of objects of os-vif."""
        if isinstance(entity, dict):
            if object_messages.is_object(entity, any_namespace=not self._has_base):
                return object_messages.decode(entity, ctxt)
            if self._has_base and object_messages.is_other_primitive(entity):
                return entity
            return {name: self._decode(ctxt, value) for name, value in entity.items()}
        if isinstance(entity, (list, tuple)):
            return [self._decode(ctxt, member) for member in entity]
        return entity


def _sorted(members: list[Any]) -> list[Any]:
    """Return plain data in an order that is the same in each process."""
    try:
        return sorted(members)
    except TypeError:
        # Members of several types, or primitives of objects.
        return sorted(members, key=lambda member: json.dumps(member, sort_keys=True, default=str))
