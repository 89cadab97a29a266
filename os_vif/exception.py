# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The exceptions of os-vif.

All exceptions derive from :class:`ExceptionBase`; ``except ExceptionBase`` handles every error of
the library. ``os_vif.plug()``, ``os_vif.unplug()``, ``os_vif.plan()`` and ``os_vif.check()`` raise
errors of a plugin as :class:`PlugException`, :class:`UnplugException`, :class:`PlanException` and
:class:`CheckException`; ``__cause__`` is the error of the plugin, such as :class:`InvalidField`.

``kwargs`` of an exception contains the values of its text. The class docstrings list the keys.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from os_vif.escape import printable, printable_lines

LOG = logging.getLogger(__name__)


class ExceptionBase(Exception):
    """Base class of the exceptions of os-vif. Subclasses set ``msg_fmt``.

    Control characters of the values in ``kwargs`` are escaped in the text. If ``kwargs`` lacks a
    value of ``msg_fmt``, the text is ``msg_fmt`` without substitution, and the mistake is logged.

    :param message: the text of the error, used unchanged; None composes ``msg_fmt % kwargs``.
    :param kwargs: the values for ``msg_fmt``, available as the attribute ``kwargs``.
    """

    #: Template of the text, with a ``%(name)s`` for each value of ``kwargs``.
    msg_fmt = "An os-vif operation failed."
    #: True if the text has several lines: line feeds of the values are kept then.
    _has_lines = False
    #: The :class:`os_vif.operations.report.Report` of the failed operation, with the state of each
    #: step. None after a call other than :func:`os_vif.apply`, unless an observer is registered.
    report: Any = None

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = kwargs
        if message is None:
            try:
                message = self.msg_fmt % kwargs
            except (KeyError, TypeError, ValueError):
                LOG.exception("%s does not fit the values %r", type(self).__name__, kwargs)
                message = self.msg_fmt
            else:
                message = printable_lines(message) if self._has_lines else printable(message)
        self.message = message
        super().__init__(message)

    def format_message(self) -> str:
        """Return the text of the error."""
        return str(self.args[0])


class LibraryNotInitialized(ExceptionBase):
    """A function of ``os_vif`` was called before ``os_vif.initialize()``. ``kwargs`` is empty."""

    msg_fmt = "os_vif.initialize() must be called before os_vif is used."


class NoMatchingPlugin(ExceptionBase):
    """No plugin of the name is installed, or a ``HostInfo`` does not list the plugin.

    ``kwargs`` has the ``plugin_name``. For a name that is not installed, the text also lists the
    installed plugins.
    """

    msg_fmt = "There is no os-vif plugin named '%(plugin_name)s'."


class PluginNotLoaded(NoMatchingPlugin):
    """The plugin is installed, but the import or ``load()`` failed. ``__cause__`` is the error.

    ``kwargs`` has the ``plugin_name`` and the ``reason``.
    """

    msg_fmt = (
        "The os-vif plugin '%(plugin_name)s' is installed but could not be loaded: %(reason)s"
    )


class NoMatchingPortProfileClass(ExceptionBase):
    """A port profile class of a ``HostInfo`` is unknown to this os-vif.

    ``kwargs`` has the ``name`` of the class.
    """

    msg_fmt = "There is no port profile class named '%(name)s'."


class NoSupportedPortProfileVersion(ExceptionBase):
    """A ``HostInfo`` and this os-vif have no common version of a port profile class.

    ``kwargs`` has the ``name`` of the class, the ``got_versions`` of this os-vif, and the
    ``min_version`` and ``max_version`` of the ``HostInfo``.
    """

    msg_fmt = (
        "Port profile %(name)s has the versions %(got_versions)s; expected a version from "
        "%(min_version)s to %(max_version)s."
    )


class NoMatchingVIFClass(ExceptionBase):
    """A VIF class is not in a ``HostInfo``, or is unknown to this os-vif.

    ``kwargs`` has the ``name`` of the class.
    """

    msg_fmt = "There is no VIF class named '%(name)s'."


class NoSupportedVIFVersion(ExceptionBase):
    """A ``HostInfo`` and this os-vif have no common version of a VIF class.

    ``kwargs`` has the same keys as in :class:`NoSupportedPortProfileVersion`.
    """

    msg_fmt = (
        "VIF %(name)s has the versions %(got_versions)s; expected a version from "
        "%(min_version)s to %(max_version)s."
    )


class PlugException(ExceptionBase):
    """A plug failed. ``__cause__`` is the error of the plugin.

    ``kwargs`` has the ``vif`` and the error ``err``.
    """

    msg_fmt = "Could not plug %(vif)s: %(err)s"


class UnplugException(ExceptionBase):
    """An unplug failed. ``__cause__`` is the error of the plugin.

    ``kwargs`` has the ``vif`` and the error ``err``.
    """

    msg_fmt = "Could not unplug %(vif)s: %(err)s"


class PlanException(ExceptionBase):
    """The plugin could not make a plan for a VIF. ``__cause__`` is the error of the plugin.

    ``kwargs`` has the ``vif`` and the error ``err``.
    """

    msg_fmt = "Could not plan for %(vif)s: %(err)s"


class CheckException(ExceptionBase):
    """The state of the host could not be read. ``__cause__`` is the reason.

    ``kwargs`` has the ``vif`` and the error ``err``.
    """

    msg_fmt = "Could not check %(vif)s: %(err)s"


class CollectException(ExceptionBase):
    """A garbage collection could not start, or could not record the observations.

    ``kwargs`` has the error ``err``. Errors of single VIFs are in the report instead.
    """

    msg_fmt = "Could not collect: %(err)s."


class InventoryException(ExceptionBase):
    """The network devices of the host could not be read. ``__cause__`` is the reason.

    ``kwargs`` has the error ``err``.
    """

    msg_fmt = "Could not list the VIFs of this host: %(err)s"


class PlanNotSupported(ExceptionBase):
    """The plugin acts without a plan, so ``os_vif.plan()`` and ``os_vif.check()`` have no result.

    ``kwargs`` has the ``plugin_name`` and the ``reason``.
    """

    msg_fmt = "The os-vif plugin '%(plugin_name)s' has no plan: %(reason)s"


class NoUsableOffer(ExceptionBase):
    """No host can plug the VIF of a port.

    ``kwargs`` has the ``port_id``, and the ``reasons`` of all hosts as text.
    """

    msg_fmt = "No host can plug port %(port_id)s: %(reasons)s"


class InvalidField(ExceptionBase):
    """A field of a VIF, an argument or an option has an unusable value. The host is unchanged.

    ``kwargs`` has the path of the ``field``, such as ``network.bridge``, and the ``found`` and
    ``expected`` values as text.
    """

    msg_fmt = "%(field)s is %(found)s; expected %(expected)s."


class InvalidStep(ExceptionBase):
    """A field of a step has a value outside the permitted range. The host is unchanged.

    ``kwargs`` has the name of the ``step`` and the ``field``, and the ``found`` and ``expected``
    values.
    """

    msg_fmt = "%(step)s: %(field)s is %(found)r; expected %(expected)s."


class StepFailed(ExceptionBase):
    """A step of a plan failed.

    After a failed plug the earlier steps were rolled back; after a failed unplug the remaining
    steps have run. The last part of the text (``aftermath`` in ``kwargs``) says so, and lists a
    command for each step that could not be undone. ``kwargs`` also has the ``step``, the
    ``device`` and the ``reason``. Errors of the engine have the ``errno`` of the kernel or None, and
    ``common``: true for a failure of the host and not of a step, such as an unreachable database.
    """

    msg_fmt = "%(step)s failed on %(device)s: %(reason)s. %(aftermath)s"
    # The aftermath has a line for each command.
    _has_lines = True


class OvsdbError(ExceptionBase):
    """A request to ovsdb-server failed.

    ``kwargs`` has the ``connection``, such as ``unix:/run/openvswitch/db.sock``, and the ``reason``.
    """

    msg_fmt = "Open vSwitch at %(connection)s: %(reason)s"


class OvsdbUnreachable(OvsdbError):
    """The connection to ovsdb-server failed. The request was not sent, and nothing changed."""

    msg_fmt = f"{OvsdbError.msg_fmt} (`os-vif doctor` checks the connection)"


class OvsdbRefused(OvsdbError):
    """The server refused a transaction, and changed nothing.

    ``kwargs`` also has the ``error`` of RFC 7047, such as ``constraint violation``, and the index of
    the failed ``operation`` or None.
    """


class OvsdbNoAnswer(OvsdbError):
    """The server did not reply before the timeout, or closed the connection.

    The transaction may have been committed.
    """


class SerializationError(ExceptionBase):
    """A document cannot be read, or an object cannot be written as a document.

    :ivar path: the field, such as ``network.subnets[1].cidr``; empty for the whole document.
    :ivar found: a description of the invalid value.
    :ivar expected: a description of the permitted values.
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
    """The text is not a document: not JSON, not UTF-8, a duplicate name, or nested too deeply."""


class InvalidValue(SerializationError):
    """A field has a value outside the permitted range."""


class UnknownField(SerializationError):
    """The document has a field that is unknown in its version."""


class UnknownKind(SerializationError):
    """The class of an object is unknown, or not permitted in the field."""


class InvalidBinding(SerializationError):
    """A port, network or subnet of Neutron has an unusable value, or two values that contradict.

    Raised by :mod:`os_vif.negotiation`; ``path`` begins with the name of the argument, such as
    ``port.binding:vif_details.bridge_name``.
    """


class UnsupportedVersion(SerializationError):
    """The version of the document is not supported, or the release of the reader is unknown."""


class Loss(NamedTuple):
    """A value lost on the way to a reader."""

    #: The path of the field, such as ``port_profile.create_port``; empty for the object itself.
    path: str
    #: The kind of loss, in words.
    what: str

    def __str__(self) -> str:
        return f"{self.path or 'the object'} ({self.what})"


class DataLoss(SerializationError):
    """The reader of the document does not support all values of the object. Nothing was written.

    :ivar losses: a tuple of :class:`Loss`, with the path of each lost field.
    """

    msg_fmt = "Writing for %(reader)s would lose: %(listed)s."

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        # An error of another process, as oslo.messaging creates it, has lists of texts.
        self.losses: tuple[Loss, ...] = tuple(Loss(*loss) for loss in kwargs.get("losses", ()))
        if "losses" in kwargs:
            kwargs["listed"] = "; ".join(str(loss) for loss in self.losses)
        super().__init__(message, **kwargs)


class NetworkMissingPhysicalNetwork(ExceptionBase):
    """A network has no physical network. Raised by plugins outside os-vif.

    ``kwargs`` has the ``network_uuid``.
    """

    msg_fmt = "Network %(network_uuid)s has no physical network."


class NetworkInterfaceNotFound(ExceptionBase):
    """A network interface does not exist. Raised by ``os_vif.internal.ip``.

    ``kwargs`` has the name of the ``interface``.
    """

    msg_fmt = "There is no network interface '%(interface)s'."


class NetworkInterfaceTypeNotDefined(ExceptionBase):
    """The type of a network interface is unknown. Raised by ``os_vif.internal.ip``.

    ``kwargs`` has the ``type``.
    """

    msg_fmt = "os-vif cannot create a network interface of the type '%(type)s'."


class ExternalImport(ExceptionBase):
    """A program imported a private module. Kept for code written for os-vif 1.x; never raised."""

    msg_fmt = "This module is private to os-vif; other programs must not import it."


class NotImplementedForOS(ExceptionBase):
    """A function is missing on the operating system. Kept for os-vif 1.x code; never raised.

    ``kwargs`` has the ``function`` and the operating system ``os``.
    """

    msg_fmt = "%(function)s is not implemented for the operating system %(os)s."
