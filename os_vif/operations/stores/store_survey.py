# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A survey of stored objects: counts by era, version, namespace and fault.

The memory of a :class:`Survey` grows with the number of different values, not of objects. After
:data:`MAX_VALUES` values of a subject, further values are counted together.
"""

from __future__ import annotations

import collections
import enum
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from os_vif import exception
from os_vif.codec import primitive
from os_vif.serialization import json_text, storage

__all__ = [
    "MAX_VALUES",
    "Subject",
    "Survey",
    "SurveyRow",
    "class_versions",
    "namespace_of",
    "reason_of",
]

#: The maximum number of different values of a subject.
MAX_VALUES = 1000
_OTHERS = "(other values)"
_INDEX = re.compile(r"\[(?:\d+|'[^']*')\]")
#: The releases that write an envelope, for the subject "era".
_ERAS = {
    None: "VIF without an envelope",
    "pod-vif": "pod with a VIF (kuryr 0.1 to 0.4)",
    "pod-state": "pod with a PodState (kuryr 0.5 to 2.1)",
    "pod-vifs": "pod with VIFs by interface",
    "kuryrport": "KuryrPort with VIFs in status (kuryr 3.0 to 10.0)",
    "kuryrport-spec": "KuryrPort with VIFs in spec",
    "cni-metadata": "container of zun",
}


class Subject(enum.StrEnum):
    """A property by which the survey groups objects."""

    ERA = "era"
    CLASS = "class"
    NAMESPACE = "namespace"
    FAULT = "fault"


class SurveyRow(NamedTuple):
    """A value of a subject, with the number of objects that have the value."""

    subject: Subject
    value: str
    objects: int
    #: The name of the first object with the value.
    example: str


class Survey:
    """Counts of stored objects by :class:`Subject`."""

    def __init__(self) -> None:
        self._counts: dict[Subject, collections.Counter[str]] = {
            subject: collections.Counter() for subject in Subject
        }
        self._examples: dict[tuple[Subject, str], str] = {}

    def add(self, subject: Subject, value: str, name: str) -> None:
        """Count an object.

        :param name: the name of the object, which the first object of a value leaves as example.
        """
        counts = self._counts[subject]
        if value not in counts and len(counts) >= MAX_VALUES:
            value = _OTHERS
        counts[value] += 1
        self._examples.setdefault((subject, value), name)

    def add_object(self, data: Any, envelope: str | None, name: str) -> None:
        """Count a readable object by era, class and namespace.

        :param data: the plain data of the object; None for a binary format.
        :param envelope: the envelope of the VIFs; None for a VIF without an envelope.
        """
        self.add(Subject.ERA, _ERAS.get(envelope, str(envelope)), name)
        for value in sorted(set(class_versions(data))):
            self.add(Subject.CLASS, value, name)
        self.add(Subject.NAMESPACE, namespace_of(data) or "(none)", name)

    def rows(self) -> Iterator[SurveyRow]:
        """Yield the rows: by subject, and the most frequent value first."""
        for subject, counts in self._counts.items():
            for value, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
                yield SurveyRow(subject, value, number, self._examples[subject, value])


def namespace_of(data: Any) -> str | None:
    """Return the namespace of a Kubernetes object, or None."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return namespace if isinstance(namespace, str) else None


def reason_of(error: exception.SerializationError) -> str:
    """Return the reason of a fault, which is equal for objects with the same fault.

    The reason has no value of the object: indexes become ``[]``, and the found value is omitted.
    """
    path = _INDEX.sub("[]", error.path)
    if isinstance(error, exception.DataLoss):
        lost = sorted({_INDEX.sub("[]", loss.path) or "the object" for loss in error.losses})
        return f"{type(error).__name__}: {', '.join(lost)}"
    reason = f"{type(error).__name__}: {path or 'the object'}"
    return f"{reason}: expected {error.expected}" if error.expected else reason


def class_versions(data: Any) -> Iterator[str]:
    """Yield class, version and form of each object of os-vif in plain data."""
    pending = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        if not isinstance(value, dict):
            continue
        for name, member in value.items():
            if name == storage.ANNOTATION and isinstance(member, str):
                pending.append(json_text.parse(member))
            elif isinstance(member, (dict, list)):
                pending.append(member)
        if isinstance(value.get(primitive.NAME), str):
            version = value.get("versioned_object.version", "")
            yield f"{value[primitive.NAME]} {version} (OVO primitive)"
        elif str(value.get("apiVersion", "")).startswith("os-vif/"):
            yield f"{value.get('kind', '')} {value['apiVersion']} (document)"
