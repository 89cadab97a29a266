# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Suites for embedders with objects of their own: round trips, and readers of older releases."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception, objects, serialization
from os_vif.codec.primitive import DATA, NAME, VERSION
from os_vif.escape import described_error
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version
from os_vif.objects.versioning.manifest import TargetManifest
from os_vif.serialization import formats
from os_vif.testing.conformance_report import Report, Result, Verdict

#: An object, or a class. A class stands for an object of the class without any set field.
Subject = ovo.VersionedObject | type[ovo.VersionedObject]

#: Stands for the value of a field that is not set.
_UNSET = object()


def round_trip(
    subjects: Iterable[Subject], *, forms: Sequence[str] = serialization.FORMS
) -> Report:
    """Check that objects are equal to themselves after a round trip in each format.

    The checks of an object: a deep copy, ``obj_to_primitive()`` and ``obj_from_primitive()`` as
    oslo.versionedobjects has them, :func:`os_vif.serialization.dumps` and
    :func:`os_vif.serialization.loads` in each of *forms*, and equal bytes in two calls.

    :param subjects: objects, or classes.
    :param forms: formats of ``os_vif.serialization.FORMS``. ``protobuf`` is skipped if
        ``os-vif[protobuf]`` is not installed.
    :returns: the verdict of each check for each object.
    """
    checks: dict[str, Callable[[ovo.VersionedObject], None]] = {
        "copy": lambda obj: _require_equal(obj, copy.deepcopy(obj)),
        "primitive": lambda obj: _require_equal(
            obj, type(obj).obj_from_primitive(obj.obj_to_primitive())
        ),
    }
    for form in forms:
        checks[form] = lambda obj, form=form: _round_trip(obj, form)  # type: ignore[misc]
    return _report("round trips", subjects, checks)


def back_level(subjects: Iterable[Subject], *, releases: Sequence[str] | None = None) -> Report:
    """Check that objects can be written for readers of older releases, without a silent loss.

    :func:`os_vif.serialization.downgrade` writes each object for each release, and
    :func:`os_vif.serialization.loads` reads the result. Each object in the result has a version
    that the release can read, and the result has the values of the object, except those in the
    list of losses. For each older version of a class,
    ``obj_to_primitive(target_version=...)`` writes a primitive, and ``obj_from_primitive()`` reads
    the primitive without another value.

    :param subjects: objects, or classes.
    :param releases: releases of os-vif or of kuryr; by default all of
        ``os_vif.serialization.releases()``.
    :returns: the verdict for each object and release. A release without the class is skipped.
    """
    names = tuple(serialization.releases()) if releases is None else releases
    checks: dict[str, Callable[[ovo.VersionedObject], None]] = {}
    for name in names:
        checks[name] = lambda obj, name=name: _read_by_release(obj, name)  # type: ignore[misc]
    subjects = list(subjects)
    kinds = [each if isinstance(each, type) else type(each) for each in subjects]
    for version in sorted({version for kind in kinds for version in _older_versions(kind)}):
        checks[f"version {version}"] = lambda obj, version=version: (  # type: ignore[misc]
            _read_by_version(obj, version)
        )
    return _report("back-level documents", subjects, checks)


class _SkippedError(Exception):
    """A check does not apply to an object; the text tells the reason."""


class _AbsentError(Exception):
    """A check is for a version that the class of an object does not have."""


class _FaultError(Exception):
    """A check found a fault; the text tells the fault."""


def _report(
    subject: str,
    subjects: Iterable[Subject],
    checks: dict[str, Callable[[ovo.VersionedObject], None]],
) -> Report:
    objects.register_all()
    return Report(subject, tuple(_results(list(subjects), checks)))


def _results(
    subjects: Sequence[Subject], checks: dict[str, Callable[[ovo.VersionedObject], None]]
) -> Iterator[Result]:
    names: set[str] = set()
    for number, subject in enumerate(subjects, 1):
        obj = subject() if isinstance(subject, type) else subject
        name = type(obj).obj_name()
        if name in names:
            name = f"{name} ({number})"
        names.add(name)
        for check, function in checks.items():
            start = time.monotonic()
            verdict, reason = Verdict.PASSED, ""
            try:
                function(obj)
            except _AbsentError:
                continue
            except (exception.UnknownKind, _SkippedError) as error:
                verdict, reason = Verdict.SKIPPED, str(error)
            except _FaultError as error:
                verdict, reason = Verdict.FAILED, str(error)
            except Exception as error:  # noqa: BLE001 - any exception is a failure
                verdict, reason = Verdict.FAILED, described_error(error)
                if isinstance(error.__cause__, ImportError):
                    # protobuf is not installed.
                    verdict, reason = Verdict.SKIPPED, str(error)
            yield Result(name, check, verdict, reason, time.monotonic() - start)


def _require_equal(obj: ovo.VersionedObject, other: Any) -> None:
    if type(other) is not type(obj):
        raise _FaultError(f"the result is a {type(other).__name__}")
    before, after = dict(_values(obj)), dict(_values(other))
    changed = [
        f"{path}: {before.get(path, 'unset')!r} became {after.get(path, 'unset')!r}"
        for path in {**before, **after}
        if before.get(path, _UNSET) != after.get(path, _UNSET)
    ]
    if changed:
        raise _FaultError("\n".join(changed))


def _round_trip(obj: ovo.VersionedObject, form: str) -> None:
    data = serialization.dumps(obj, form)
    if data != serialization.dumps(obj, form):
        raise _FaultError(f"two calls of dumps() give different bytes: {data!r}")
    _require_equal(obj, serialization.loads(data))


def _read_by_release(obj: ovo.VersionedObject, release: str) -> None:
    """Write an object for a release, read the result, and compare the values."""
    formats.require_object(obj)
    try:
        written, losses = serialization.downgrade(obj, release)
    except exception.UnknownKind as error:
        raise _SkippedError(f"the release has no class {obj.obj_name()}") from error
    _require_readable(written, TargetManifest.of_release_alone(release))
    read = serialization.loads(serialization.json_text.compose(written))
    after = dict(_values(read))
    lost = [loss.path for loss in losses]
    for path, value in _values(obj):
        if any(_is_within(path, loss) or _is_within(loss, path) for loss in lost):
            continue
        if path not in after:
            raise _FaultError(f"{path} is lost without a loss in the report of downgrade()")
        if after[path] != value:
            raise _FaultError(f"{path}: {value!r} became {after[path]!r}")


def _require_readable(primitive: Any, reader: Mapping[str, str], path: str = "") -> None:
    """Require that a reader has the version of each object of os-vif in a primitive."""
    if isinstance(primitive, list):
        for number, entry in enumerate(primitive):
            _require_readable(entry, reader, f"{path}[{number}]")
    if not isinstance(primitive, dict):
        return
    name, version = str(primitive.get(NAME)), str(primitive.get(VERSION))
    if name in history.public_classes() and not history.is_kuryr_class(name):
        known = reader.get(name)
        if known is None or parse_version(version) > parse_version(known):
            expected = f"version {known} at most" if known else "a class of the release"
            where = path or "the object"
            raise _FaultError(f"{where} is written as {name} {version}; expected {expected}")
    for key, value in primitive.items():
        inner = path if key == DATA else f"{path}.{key}".lstrip(".")
        _require_readable(value, reader, inner)


def _is_within(path: str, parent: str) -> bool:
    return not parent or path == parent or path.startswith((f"{parent}.", f"{parent}["))


def _read_by_version(obj: ovo.VersionedObject, version: str) -> None:
    """Write an object as a version of its class by ``obj_make_compatible()``, and read it."""
    if version not in _older_versions(type(obj)):
        raise _AbsentError
    read = type(obj).obj_from_primitive(obj.obj_to_primitive(target_version=version))
    before = dict(_values(obj))
    for path, value in _values(read):
        if before.get(path) != value:
            raise _FaultError(f"{path}: {before.get(path)!r} became {value!r}")


def _older_versions(kind: type[ovo.VersionedObject]) -> list[str]:
    """Return the versions with the major number of a class before the version of the class."""
    major, _, minor = kind.VERSION.partition(".")
    return [f"{major}.{number}" for number in range(int(minor or 0))]


def _values(obj: ovo.VersionedObject, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each set field, also of nested objects."""
    for name in obj.obj_fields:
        if not obj.obj_attr_is_set(name):
            continue
        value = getattr(obj, name)
        if isinstance(value, ovo.VersionedObject) and not isinstance(value, ovo.ObjectListBase):
            yield from _values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Any) -> Any:
    """Return a value with dictionaries in place of objects, for a comparison."""
    if isinstance(value, ovo.ObjectListBase):
        return [_plain(entry) for entry in value.objects]
    if isinstance(value, ovo.VersionedObject):
        return dict(_values(value))
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value
