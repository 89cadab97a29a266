# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Random values, and JSON texts of the values with random white space."""

from __future__ import annotations

import io
import json
import random

from hypothesis import strategies as st

#: Names and strings with characters of the JSON syntax.
TEXTS = st.text(alphabet='ab"\\{}[],:\n\N{SNOWMAN} ', max_size=6) | st.just("items")


SPACE = st.text(alphabet=" \t\r\n", max_size=3)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def in_chunks(data: bytes, seed: int | None = None):
    """Return a reader with a random number of bytes for each call; without a seed, all bytes."""
    file = io.BytesIO(data)
    if seed is None:
        return file.read
    chance = random.Random(seed)  # noqa: S311
    return lambda size: file.read(chance.randint(1, min(size, 7)))


@st.composite
def json_text(draw, value) -> str:
    """Return JSON of a value with random white space between the tokens."""
    space = lambda: draw(SPACE)  # noqa: E731
    if isinstance(value, dict):
        members = [
            f"{space()}{json.dumps(k)}{space()}:{space()}{draw(json_text(v))}{space()}"
            for k, v in value.items()
        ]
        return "{" + (",".join(members) or space()) + "}"
    if isinstance(value, list):
        members = [f"{space()}{draw(json_text(item))}{space()}" for item in value]
        return "[" + (",".join(members) or space()) + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))
