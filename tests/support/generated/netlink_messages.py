# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Netlink messages, encoded by pyroute2."""

from __future__ import annotations


def encoded_message(cls, kind, number, fields, flags=0):
    """Return a message encoded by pyroute2."""
    message = cls()
    message.update(fields)
    message["header"].update(type=kind, flags=flags, sequence_number=number)
    message.encode()
    return bytes(message.data)
