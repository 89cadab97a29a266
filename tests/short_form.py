# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Short forms of test matrices: the marker ``short_form``.

The parameter sets of a marked test function form a matrix. The default run has a part of the
matrix, and the remaining tests get the marker ``soak``. The choice is the same in each run:

``short_form()``
    Each-choice coverage: each value of each parameter is in at least one test.
``short_form(key=function)``
    At least one test for each value that the function returns. The arguments of the function are
    the parameters by name.
``short_form(count)``
    A number of tests, evenly spread over the matrix.

Tests with a marker ``vm``, ``interop`` or ``soak`` are not part of the matrix. A matrix has only
collected tests, so that a test named on the command line always runs.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable, Sequence

import pytest

#: Markers of tests that other tiers choose.
_OTHER_TIERS = ("interop", "soak", "vm")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "short_form(count=None, key=None): the default run has a part of the parameter sets, and "
        "tox -e soak has the others (tests/short_form.py)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    matrices = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("short_form") and not any(
            item.get_closest_marker(name) for name in _OTHER_TIERS
        ):
            matrices[item.parent, getattr(item, "originalname", item.name)].append(item)
    for matrix in matrices.values():
        chosen = _choose(matrix)
        for item in matrix:
            if item not in chosen:
                item.add_marker("soak")


def _choose(matrix: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the tests of a matrix that the default run has.

    :raises pytest.UsageError: if the arguments of the marker are wrong, or the test has no
        parameters.
    """
    first = matrix[0]
    marker = first.get_closest_marker("short_form")
    if not hasattr(first, "callspec"):
        raise pytest.UsageError(f"{first.nodeid}: short_form expects a test with parameters")
    try:
        count, key = _read(*marker.args, **marker.kwargs)
    except TypeError as error:
        raise pytest.UsageError(f"{first.nodeid}: short_form: {error}") from None
    if count is not None:
        count = min(count, len(matrix))
        return {matrix[number * len(matrix) // count] for number in range(count)}
    # Parameter sets share the objects of the values, which may be unhashable.
    features = {
        item: {key(**item.callspec.params)}
        if key
        else {(name, id(value)) for name, value in item.callspec.params.items()}
        for item in matrix
    }
    return _cover(features)


def _read(
    count: int | None = None, *, key: Callable[..., Hashable] | None = None
) -> tuple[int | None, Callable[..., Hashable] | None]:
    """Return the arguments of the marker."""
    if count is not None and (key is not None or not isinstance(count, int) or count < 1):
        raise TypeError(f"expected a positive number or a key, not {count!r}")
    return count, key


def _cover(features: dict[pytest.Item, set[Hashable]]) -> set[pytest.Item]:
    """Return tests that together have every feature.

    The first of the tests with the most missing features is added until none is missing.
    """
    missing = set().union(*features.values())
    chosen: set[pytest.Item] = set()
    while missing:
        best = max(features, key=lambda item: len(features[item] & missing))
        chosen.add(best)
        missing -= features[best]
    return chosen
