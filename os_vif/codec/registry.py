# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The registered classes of os-vif by name.

All projects share the registry of oslo.versionedobjects. The vocabulary
(:mod:`os_vif.objects.versioning.history`) is a layer above, and calls :func:`configure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec.path import describe

#: The namespace of all classes of os-vif in the shared registry.
NAMESPACE = "os_vif"
#: The attribute of a VIF with the addresses of release 1.8.0. The attribute is no field.
FIXED_IPS = "fixed_ips"

ovo.VersionedObjectRegistry.obj_classes()
#: The registry of the process. oslo creates the registry at the first use.
_registry: Any = ovo.VersionedObjectRegistry._registry
_load_vocabulary: list[Callable[[], object]] = []
_withdrawn: list[Callable[[type[Any]], Iterable[str]]] = []


def configure(
    load_vocabulary: Callable[[], object], withdrawn: Callable[[type[Any]], Iterable[str]]
) -> None:
    """Set the functions of the vocabulary.

    :param load_vocabulary: registers all classes of os-vif; called for an unknown name.
    :param withdrawn: returns the withdrawn versions of a class.
    """
    _load_vocabulary[:] = [load_vocabulary]
    _withdrawn[:] = [withdrawn]


def withdrawn_versions(cls: type[Any]) -> frozenset[str]:
    """Return the withdrawn versions of a class."""
    return frozenset(version for function in _withdrawn for version in function(cls))


def registered_classes() -> dict[str, list[type[Any]]]:
    """Return the registered classes of all projects by name, newest version first."""
    # ``obj_classes()`` creates an object in each call.
    classes: dict[str, list[type[Any]]] = _registry._obj_classes
    return classes


def candidates(name: Any) -> list[type[Any]]:
    """Return the registered classes with a name, newest version first."""
    if not isinstance(name, str):
        return []
    registered = registered_classes().get(name, ())
    return [cls for cls in registered if cls.OBJ_PROJECT_NAMESPACE == NAMESPACE]


def find(name: Any, path: str = "") -> type[Any]:
    """Return the registered class with a name, which may be the class of a third party.

    :raises os_vif.exception.UnknownKind: for an unknown name.
    """
    if not (found := candidates(name)) and isinstance(name, str):
        for load in _load_vocabulary:
            load()
        found = candidates(name)
    if found:
        return found[0]
    raise exception.UnknownKind(
        path=path, found=describe(name), expected="the name of a class of os-vif"
    )


def ancestors(cls: type[Any]) -> list[str]:
    """Return the names of a class and of the parents, which may be classes of third parties."""
    return [parent.__name__ for parent in cls.__mro__ if issubclass(parent, ovo.VersionedObject)]


def is_list(cls: type[Any]) -> bool:
    """Return True for a class with the single field ``objects``."""
    return issubclass(cls, ovo.ObjectListBase) and list(cls.fields) == ["objects"]


def has_fixed_ips(cls: type[Any]) -> bool:
    """Return True for a VIF, which may have the attribute ``fixed_ips`` of release 1.8.0."""
    return hasattr(cls, "_obj_place_addresses") and FIXED_IPS not in cls.fields


def defines(cls: type[Any], *names: str) -> bool:
    """Return True if *cls*, or a parent, is the class of a third party with one of the methods."""
    return any(
        name in vars(parent)
        for parent in cls.__mro__
        if parent.__module__.partition(".")[0] not in {"os_vif", "oslo_versionedobjects"}
        for name in names
    )
