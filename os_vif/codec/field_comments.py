# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The sentence of each field: the ``#:`` comment above the field in the source of the class.

The comment is the only source. The types for editors, the JSON Schema, the ``.proto`` file and the
reference copy the sentence::

    fields = {
        #: The name of the tap device.
        "vif_name": fields.StringField(),
    }

Classes of third parties may have such comments, too.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any

_COMMENTED = re.compile(r"""((?:^ +#: .*\n)+) +(?:["'](\w+)["']|(\w+)):""", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``")


def sentence_of(cls: type[Any], name: str) -> str:
    """Return the sentence of a field, of the nearest class with a comment; empty without one.

    The sentence has the inline markup of reStructuredText.
    """
    for ancestor in cls.__mro__:
        if name in vars(ancestor).get("fields", ()) or name in vars(ancestor).get(
            "__annotations__", ()
        ):
            sentence = _comments(ancestor).get(name)
            if sentence:
                return sentence
    return ""


def without_markup(text: str) -> str:
    """Return a text without the roles and literals of reStructuredText."""
    return _ROLE.sub(lambda match: match[1] or match[2], text)


@functools.lru_cache(maxsize=512)
def _comments(cls: type[Any]) -> Mapping[str, str]:
    """Return the comments in the source of a class; none for a class without a source file."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    return {
        quoted or annotated: " ".join(
            line.strip().removeprefix("#: ") for line in comment.splitlines()
        )
        for comment, quoted, annotated in _COMMENTED.findall(source)
    }
