# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every error that this library raises.

All of them derive from :class:`ExceptionBase`, which is the one class that nova catches.
What a plugin raises reaches the caller as :class:`PlugException` or :class:`UnplugException`,
with the plugin's own error chained as ``__cause__``.
"""

from __future__ import annotations

import logging
from typing import Any

from os_vif.escape import printable, printable_lines

LOG = logging.getLogger(__name__)


class ExceptionBase(Exception):
    """The root of the family. A subclass says its text in ``msg_fmt``.

    :param message: the text, which then stands as it is; by default ``msg_fmt % kwargs``.
    :param kwargs: the values that ``msg_fmt`` names. They stay readable as ``.kwargs``.

    Values that do not fit ``msg_fmt`` never hide the error: its text is then the template.
    A text made of ``msg_fmt`` has no control characters, and is one line (see ``_lines``).
    """

    msg_fmt = "An os-vif operation failed."
    #: Whether ``msg_fmt`` gives a text of several lines.
    _lines = False

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = kwargs
        if message is None:
            try:
                message = self.msg_fmt % kwargs
            except (KeyError, TypeError, ValueError):
                LOG.exception("%s does not fit the values %r", type(self).__name__, kwargs)
                message = self.msg_fmt
            else:
                message = printable_lines(message) if self._lines else printable(message)
        self.message = message
        super().__init__(message)

    def format_message(self) -> str:
        """The text of the error."""
        return str(self.args[0])


class LibraryNotInitialized(ExceptionBase):
    msg_fmt = "os_vif.initialize() must be called before os_vif is used."


class NoMatchingPlugin(ExceptionBase):
    msg_fmt = "There is no os-vif plugin named '%(plugin_name)s'."


class PluginNotLoaded(NoMatchingPlugin):
    """The plugin is installed, but its import or its ``load()`` failed."""

    msg_fmt = (
        "The os-vif plugin '%(plugin_name)s' is installed but could not be loaded: %(reason)s"
    )


class NoMatchingPortProfileClass(ExceptionBase):
    msg_fmt = "There is no port profile class named '%(name)s'."


class NoSupportedPortProfileVersion(ExceptionBase):
    msg_fmt = (
        "Port profile %(name)s is here in versions %(got_versions)s; none of them lies between "
        "%(min_version)s and %(max_version)s."
    )


class NoMatchingVIFClass(ExceptionBase):
    msg_fmt = "There is no VIF class named '%(name)s'."


class NoSupportedVIFVersion(ExceptionBase):
    msg_fmt = (
        "VIF %(name)s is here in versions %(got_versions)s; none of them lies between "
        "%(min_version)s and %(max_version)s."
    )


class PlugException(ExceptionBase):
    """Plugging failed. ``__cause__`` is what the plugin raised."""

    msg_fmt = "Could not plug %(vif)s: %(err)s"


class UnplugException(ExceptionBase):
    """Unplugging failed. ``__cause__`` is what the plugin raised."""

    msg_fmt = "Could not unplug %(vif)s: %(err)s"


class PlanException(ExceptionBase):
    """A plan could not be made. ``__cause__`` is what the plugin raised."""

    msg_fmt = "Could not plan for %(vif)s: %(err)s"


class CheckException(ExceptionBase):
    """The host could not be read. ``__cause__`` says why."""

    msg_fmt = "Could not check %(vif)s: %(err)s"


class PlanNotSupported(ExceptionBase):
    """The plugin acts without a plan, so nothing can be foretold or checked."""

    msg_fmt = "The os-vif plugin '%(plugin_name)s' does not plan what it does: %(reason)s"


class InvalidField(ExceptionBase):
    """A VIF, or an option, that cannot be plugged as it is. Nothing was touched."""

    msg_fmt = "%(field)s is %(found)s; expected %(expected)s."


class InvalidStep(ExceptionBase):
    """A step with arguments that no plan may have. Nothing was touched."""

    msg_fmt = "%(step)s: %(field)s is %(found)r; expected %(expected)s."


class StepFailed(ExceptionBase):
    """A step of a plan failed; those before it were undone, or the text says what was not."""

    msg_fmt = "%(step)s failed on %(device)s: %(reason)s. %(aftermath)s"
    # A line for each command that is left to be typed.
    _lines = True


class OvsdbError(ExceptionBase):
    """The database of Open vSwitch did not do what it was asked for."""

    msg_fmt = "Open vSwitch at %(connection)s: %(reason)s"


class OvsdbUnreachable(OvsdbError):
    """There is no connection to the database. Nothing was sent."""


class OvsdbRefused(OvsdbError):
    """The database refused a transaction. Nothing of it was done.

    ``kwargs`` has its ``error``, as RFC 7047 names it, and the index of the ``operation``, or None.
    """


class OvsdbNoAnswer(OvsdbError):
    """The database did not answer in time, or has gone. What it has done is unknown."""


class SerializationError(ExceptionBase):
    """A stored form cannot be read, or an object cannot be written in one.

    ``path`` names the field, such as ``network.subnets[1].cidr``; it is empty for the whole.
    ``found`` and ``expected`` say what is there and what should be.
    """

    msg_fmt = "%(path)s: found %(found)s; expected %(expected)s."

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.path: str = kwargs.get("path", "")
        self.found: str = kwargs.get("found", "")
        self.expected: str = kwargs.get("expected", "")
        if "found" in kwargs:
            kwargs["path"] = self.path or "The document"
        super().__init__(message, **kwargs)


class MalformedDocument(SerializationError):
    """It is no document at all: not JSON, not UTF-8, a name twice, nested too deeply."""


class InvalidValue(SerializationError):
    """A field has a value that it cannot have."""


class UnknownField(SerializationError):
    """There is no such field in this version."""


class UnknownKind(SerializationError):
    """There is no such class here, or it may not stand there."""


class UnsupportedVersion(SerializationError):
    """It was written in a version that cannot be read here, or there is no such release."""


class DataLoss(SerializationError):
    """The reader has no place for something. ``losses`` lists it all, by field path."""

    msg_fmt = "Written for %(reader)s, this would be lost: %(listed)s."

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.losses: tuple[Any, ...] = tuple(kwargs.get("losses", ()))
        if "losses" in kwargs:
            kwargs["listed"] = "; ".join(str(loss) for loss in self.losses)
        super().__init__(message, **kwargs)


class NetworkMissingPhysicalNetwork(ExceptionBase):
    msg_fmt = "Network %(network_uuid)s has no physical network."


class NetworkInterfaceNotFound(ExceptionBase):
    msg_fmt = "There is no network interface '%(interface)s'."


class NetworkInterfaceTypeNotDefined(ExceptionBase):
    msg_fmt = "'%(type)s' is no type of network interface that os-vif can make."


class ExternalImport(ExceptionBase):
    msg_fmt = "This module is internal to os-vif; programs outside of it must not import it."


class NotImplementedForOS(ExceptionBase):
    msg_fmt = "%(function)s is not there for the operating system %(os)s."
