# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codec of versioned objects: one for each field type, one compiled for each class and format.

* :mod:`.field`: a :class:`FieldCodec` for each field type, registered once, also by other
  projects (:func:`register`).
* :mod:`.compiled`: the compiled codec of a class in a format.
* :mod:`.document`, :mod:`.primitive`: the two formats.
* :mod:`.construct`: construction and copying of objects.

The results are those of oslo.versionedobjects. A class of another project is read and written
through its own methods. Every error of decoding is an
:class:`os_vif.exception.SerializationError` with the path of the field, what was found and what
was expected. This package imports nothing of os-vif but its exceptions.
"""

from __future__ import annotations

from os_vif.codec.field import register
from os_vif.codec.path import invalid
from os_vif.codec.scalar import FieldCodec

__all__ = ["FieldCodec", "invalid", "register"]
