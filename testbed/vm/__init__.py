# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Tests that need a kernel or devices that this machine lacks: they run in a virtual machine.

``scenarios`` says which machines there are, ``lab`` makes what they are made of, ``guest`` boots
one, and ``plugin`` lets pytest run tests in it. ``python -m testbed.vm SCENARIO`` opens a shell in
one.
"""
