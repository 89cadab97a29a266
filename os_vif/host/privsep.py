# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon's context: oslo.privsep's, but a daemon that dies hangs nobody.

A process that dies with a request unread resets the connection. In oslo.privsep (3.12 and
before) that ends the thread that reads answers without a word, and the caller waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from oslo_privsep import daemon, priv_context


class _Channel(daemon.RootwrapClientChannel):
    def _reader_main(self, reader: Iterable[Any]) -> None:
        super()._reader_main(_until_reset(reader))


def _until_reset(reader: Iterable[Any]) -> Iterator[Any]:
    """A connection that is reset has ended, as one that is closed."""
    try:
        yield from reader
    except ConnectionResetError:
        return


class Context(priv_context.PrivContext):
    def start(self, method: Any = priv_context.Method.ROOTWRAP) -> None:
        if method is not priv_context.Method.ROOTWRAP:
            super().start(method)
            return
        with self.start_lock:
            # Another thread may have been faster.
            if self.channel is None:
                self.channel = _Channel(context=self)
