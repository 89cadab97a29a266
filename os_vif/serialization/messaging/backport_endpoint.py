# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The RPC endpoint for receivers with os-vif 1.x to 5.x that cannot read a version of an object.

The serializer of oslo.versionedobjects in such a receiver calls ``object_backport_versions`` of
the ``indirection_api`` of the base class of the objects. The indirection API of the receiver sends
the primitive to this endpoint, and receives the primitive in versions that the receiver reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec.path import below, describe
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version
from os_vif.objects.versioning.manifest import TargetManifest
from os_vif.serialization import formats
from os_vif.serialization.messaging import object_messages
from os_vif.serialization.messaging.object_messages import LossPolicy


class BackportEndpoint:
    """An endpoint for :func:`oslo_messaging.get_rpc_server`, with the two methods of back-ports.

    The manifest of a receiver names the declared classes of fields only, not the class of a VIF's
    port profile, for example. The histories of the classes complete the manifest: the object is
    written for the oldest release with the versions of the manifest.

    :param release: the release of the receivers, if known: the object is then written for the
        release if the manifest of the receiver agrees.
    :param losses: ``refuse`` raises DataLoss for values that the receiver cannot have; ``tell``
        logs a warning and omits the values, as back-ports of oslo.versionedobjects do.
    :param target: the ``oslo_messaging.Target`` of the endpoint, with namespace and version; None
        means version 1.0 without a namespace.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release.
    """

    def __init__(
        self,
        release: str | None = None,
        *,
        losses: LossPolicy = "refuse",
        target: Any = None,
    ) -> None:
        object_messages.require_choice(losses, object_messages.LOSS_POLICIES, "losses")
        if release is not None:
            object_messages.require_release(release, "release")
        self._release = release
        self._losses = losses
        #: Read by oslo.messaging.
        self.target = target

    def object_backport_versions(
        self, context: Any, objinst: Any, object_versions: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the primitive of an object in versions that the receiver reads.

        :param objinst: the object or its plain data.
        :param object_versions: the manifest of the receiver: versions by class name, complete or
            as from ``oslo_versionedobjects.base.obj_tree_get_versions``.
        :raises os_vif.exception.DataLoss: for values that the receiver cannot have.
        :raises os_vif.exception.UnknownKind: if the receiver lacks the class of the object.
        :raises os_vif.exception.SerializationError: for an invalid object or manifest.
        """
        obj = _object_of(objinst, context)
        _refuse_invalid_manifest(object_versions)
        reader = self._complete(object_versions)
        name = self._release or "the receiver that asked for the back-port"
        try:
            data, losses = formats.downgrade_to_manifest(obj, reader, name)
        except ovo_exception.InvalidTargetVersion as error:
            raise exception.UnsupportedVersion(
                path="object_versions", found=f"{error}", expected="versions of a release"
            ) from None
        object_messages.report_losses(obj, name, losses, self._losses)
        return data

    def object_backport(self, context: Any, objinst: Any, target_version: str) -> dict[str, Any]:
        """Return the primitive of an object in an older version of the class.

        Receivers with an indirection API without ``object_backport_versions`` call the method.

        :raises os_vif.exception.SerializationError: as :meth:`object_backport_versions`.
        """
        obj = _object_of(objinst, context)
        return self.object_backport_versions(context, obj, {obj.obj_name(): target_version})

    def _complete(self, versions: Mapping[str, str]) -> TargetManifest:
        """Return the complete manifest of a receiver."""
        if self._release is not None:
            known = history.manifest(self._release)
            if all(known.get(name, version) == version for name, version in versions.items()):
                return TargetManifest.of_release_alone(self._release)
        reader = TargetManifest.from_mapping(dict(versions))
        return TargetManifest(reader, has_third_parties=reader.has_third_parties, log_losses=False)


def _object_of(objinst: Any, context: Any) -> ovo.VersionedObject:
    """Return the object of an argument that the serializer of the server may have decoded."""
    if isinstance(objinst, dict) and object_messages.is_object(objinst, any_namespace=True):
        objinst = object_messages.decode(objinst, context)
    formats.require_object(objinst, "objinst")
    obj: ovo.VersionedObject = objinst
    return obj


def _refuse_invalid_manifest(versions: Any) -> None:
    """Refuse a manifest other than versions by class name.

    :raises os_vif.exception.InvalidValue: for the manifest.
    """
    if not isinstance(versions, Mapping):
        raise exception.InvalidValue(
            path="object_versions", found=describe(versions), expected="versions by class name"
        )
    for name, version in versions.items():
        try:
            parse_version(version)
        except (TypeError, ValueError, AttributeError):
            raise exception.InvalidValue(
                path=below("object_versions", str(name)),
                found=describe(version),
                expected="a version such as '1.0'",
            ) from None
