# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The family of exceptions."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from os_vif import exception

CLASSES = [
    cls
    for cls in vars(exception).values()
    if inspect.isclass(cls) and issubclass(cls, exception.ExceptionBase)
]

#: The exceptions of 5.3.0, with the keywords that callers pass.
PUBLIC = {
    "LibraryNotInitialized": (),
    "NoMatchingPlugin": ("plugin_name",),
    "NoMatchingPortProfileClass": ("name",),
    "NoSupportedPortProfileVersion": ("name", "got_versions", "min_version", "max_version"),
    "NoMatchingVIFClass": ("name",),
    "NoSupportedVIFVersion": ("name", "got_versions", "min_version", "max_version"),
    "PlugException": ("vif", "err"),
    "UnplugException": ("vif", "err"),
    "NetworkMissingPhysicalNetwork": ("network_uuid",),
    "NetworkInterfaceNotFound": ("interface",),
    "NetworkInterfaceTypeNotDefined": ("type",),
    "ExternalImport": (),
    "NotImplementedForOS": ("function", "os"),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_class_takes_its_keywords_and_says_them(name):
    """Every given value is part of the message."""
    values = {key: f"<{key}>" for key in PUBLIC[name]}
    error = getattr(exception, name)(**values)
    assert isinstance(error, exception.ExceptionBase)
    assert [v for v in values.values() if v not in str(error)] == []
    assert error.kwargs == values
    assert str(error) == error.message == error.format_message()


@pytest.mark.parametrize("cls", CLASSES)
def test_a_message_stands_as_it_is(cls):
    """A message is used unchanged, in place of the template."""
    assert str(cls("100 % broken")) == "100 % broken"


@pytest.mark.parametrize("cls", CLASSES)
def test_missing_values_do_not_hide_the_error(cls, caplog):
    """The message is then the template, and a warning is logged."""
    error = cls()
    assert str(error) == cls.msg_fmt
    assert bool(caplog.records) == bool(re.search(r"%\(", cls.msg_fmt))


def test_a_third_party_subclass_says_its_own_template():
    """The vrouter plugin has such subclasses."""

    class VrouterError(exception.ExceptionBase):
        msg_fmt = "Port control said %(err)s"

    assert str(VrouterError(err="no")) == "Port control said no"


def test_an_error_survives_a_pipe():
    """nova sends errors between processes."""
    error = exception.NoMatchingPlugin(plugin_name="x")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
