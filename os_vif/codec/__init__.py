# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codec of versioned objects: for each field type, and compiled for each class and format.

* :mod:`.field`: a :class:`FieldCodec` for each field type, registered once, also by third
  parties (:func:`register`).
* :mod:`.compiled`: the compiled codec of a class in a format.
* :mod:`.document`, :mod:`.primitive`: the two formats.
* :mod:`.construct`: construction and copying of objects.

The results are the results of oslo.versionedobjects. A class of a third party is read and written
through the methods of the class. Every error of decoding is an
:class:`os_vif.exception.SerializationError` with the path of the field, the found and the
expected value. The package imports only the exceptions of os-vif, and the functions for their texts.
"""

from __future__ import annotations

from os_vif.codec.field import register
from os_vif.codec.path import invalid
from os_vif.codec.scalar import FieldCodec

__all__ = ["FieldCodec", "invalid", "register"]
