# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The target of a conversion: the options ``--form`` and ``--release``."""

from __future__ import annotations

from typing import NamedTuple

from os_vif import objects, serialization
from os_vif.cmd import main
from os_vif.codec import document, primitive
from os_vif.objects.versioning import history


class Target(NamedTuple):
    """A form, and the release of the readers."""

    form: str
    #: None for the release of this os-vif.
    release: str | None = None
    #: True for a form other than JSON. A file contains only one object in a binary form.
    is_binary: bool = False


def parse_target(form: str | None, release: str | None) -> Target:
    """Return the target of the options; the default form is the newest form of the release.

    :raises BadInputError: for an unknown release, and for a form unknown to the release.
    """
    if form is None and release is None:
        raise main.BadInputError("one of --release, --form is required")
    if release is not None:
        try:
            history.manifest(release)
        except ValueError as error:
            raise main.BadInputError(f"--release: {error}") from error
    reads_documents = release is None or serialization.reads_documents(release)
    if form is None:
        form = document.FORM if reads_documents else primitive.FORM
    elif form != primitive.FORM and not reads_documents:
        raise main.BadInputError(
            f"--form: {release} does not read the form {form!r}, only {primitive.FORM!r}"
        )
    is_binary = isinstance(serialization.dumps(objects.InstanceInfo(), form, release), bytes)
    return Target(form, release, is_binary)
