# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs as kuryr-kubernetes and zun store them: each VIF is inside an envelope.

======================  =============================================================
Envelope                Place and content
======================  =============================================================
``pod-vif``             annotation ``openstack.org/kuryr-vif`` of a pod, written by kuryr
                        0.1 to 0.4: the VIF of ``eth0``
``pod-state``           the same annotation, written by kuryr 0.5 to 2.1: a ``PodState``
``kuryrport``           ``status`` of a ``KuryrPort``, written by kuryr 3.0 to 10.0: all VIFs
                        by interface
``cni-metadata``        ``container.cni_metadata`` of zun: a ``VIFState``
======================  =============================================================

kuryr and zun store OVO primitives. :func:`read` also accepts documents: of a VIF, and of a
``PodState`` instead of a ``PodState`` or a ``VIFState``.
"""

from __future__ import annotations

from os_vif.serialization.storage.envelopes import (
    ANNOTATION,
    ENVELOPES,
    VIFS_IN_SPEC,
    VIFS_IN_STATUS,
    Envelope,
    has_vifs_by_interface,
    has_vifs_in_spec,
    is_vif_payload,
    reader_supports,
)
from os_vif.serialization.storage.reading import read, validate
from os_vif.serialization.storage.writing import downgrade, kuryrport, write

__all__ = [
    "ANNOTATION",
    "ENVELOPES",
    "VIFS_IN_SPEC",
    "VIFS_IN_STATUS",
    "Envelope",
    "downgrade",
    "has_vifs_by_interface",
    "has_vifs_in_spec",
    "is_vif_payload",
    "kuryrport",
    "read",
    "reader_supports",
    "validate",
    "write",
]
