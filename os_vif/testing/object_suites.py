# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Suites for embedders with objects of their own: round trips, and readers of older releases."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception, objects, serialization
from os_vif.escape import described_error
from os_vif.testing.conformance_report import Report, Result, Verdict

#: An object, or a class. A class stands for an object of the class without any set field.
Subject = ovo.VersionedObject | type[ovo.VersionedObject]


def round_trip(
    subjects: Iterable[Subject], *, forms: Sequence[str] = serialization.FORMS
) -> Report:
    """Check that objects are equal to themselves after a round trip in each format.

    The checks of an object: a deep copy, ``obj_to_primitive()`` and ``obj_from_primitive()`` as
    oslo.versionedobjects has them, :func:`os_vif.serialization.dumps` and
    :func:`os_vif.serialization.loads` in each of *forms*, and equal bytes in two calls.

    :param subjects: objects, or classes.
    :param forms: formats of :data:`os_vif.serialization.FORMS`. ``protobuf`` is skipped if
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
    :func:`os_vif.serialization.loads` reads the result. The result has the values of the object,
    except those in the list of losses.

    :param subjects: objects, or classes.
    :param releases: releases of os-vif or of kuryr; by default all of
        :func:`os_vif.serialization.releases`.
    :returns: the verdict for each object and release. A release without the class is skipped.
    """
    names = tuple(serialization.releases()) if releases is None else releases
    checks: dict[str, Callable[[ovo.VersionedObject], None]] = {}
    for name in names:
        checks[name] = lambda obj, name=name: _read_by_release(obj, name)  # type: ignore[misc]
    return _report("back-level documents", subjects, checks)


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
            except (exception.UnknownKind, ImportError) as error:
                verdict, reason = Verdict.SKIPPED, str(error)
            except _FaultError as error:
                verdict, reason = Verdict.FAILED, str(error)
            except Exception as error:  # noqa: BLE001 - any exception is a failure
                verdict, reason = Verdict.FAILED, described_error(error)
            yield Result(name, check, verdict, reason, time.monotonic() - start)


def _require_equal(obj: ovo.VersionedObject, other: Any) -> None:
    if type(other) is not type(obj):
        raise _FaultError(f"the result is a {type(other).__name__}")
    before, after = (_without_changes(each.obj_to_primitive()) for each in (obj, other))
    if before != after:
        raise _FaultError(f"{before} became {after}")


def _without_changes(data: Any) -> Any:
    """Return a primitive without the lists of changed fields, which documents do not have."""
    if isinstance(data, dict):
        return {k: _without_changes(v) for k, v in data.items() if not k.endswith(".changes")}
    return [_without_changes(entry) for entry in data] if isinstance(data, list) else data


def _round_trip(obj: ovo.VersionedObject, form: str) -> None:
    data = serialization.dumps(obj, form)
    if data != serialization.dumps(obj, form):
        raise _FaultError(f"two calls of dumps() give different bytes: {data!r}")
    _require_equal(obj, serialization.loads(data))


def _read_by_release(obj: ovo.VersionedObject, release: str) -> None:
    written, losses = serialization.downgrade(obj, release)
    del losses
    serialization.loads(serialization.json_text.compose(written))
