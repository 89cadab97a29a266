# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The classes that may stand in a document, by name."""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.objects import history
from os_vif.objects.base import VersionedObject
from os_vif.serialization.values import Place, shown

#: The namespace of all of them in the registry, which other projects share.
NAMESPACE = VersionedObject.OBJ_PROJECT_NAMESPACE


def find(name: Any, place: Place) -> type[Any]:
    """The registered class of that name; somebody else's, if they have registered one.

    :raises os_vif.exception.UnknownKind: if there is none.
    """
    history.vocabulary()
    if isinstance(name, str):
        for cls in ovo.VersionedObjectRegistry.obj_classes().get(name, ()):
            if cls.OBJ_PROJECT_NAMESPACE == NAMESPACE:
                return cls
    raise exception.UnknownKind(
        path=str(place), found=shown(name), expected="the name of a class of os-vif"
    )


def ancestors(cls: type[Any]) -> list[str]:
    """The names of the class and its parents. One may be another project's own."""
    return [parent.__name__ for parent in cls.__mro__ if issubclass(parent, ovo.VersionedObject)]


def is_list(cls: type[Any]) -> bool:
    """Whether it is nothing but a list of objects."""
    return issubclass(cls, ovo.ObjectListBase) and list(cls.fields) == ["objects"]
