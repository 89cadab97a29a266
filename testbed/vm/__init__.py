# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Virtual machines for tests of a kernel or of devices that this machine lacks.

``scenarios`` lists the machines, ``lab`` builds the files of a machine, ``guest`` boots a machine,
and ``tests.vm.plugin`` has pytest run tests in a guest. ``python -m testbed.vm SCENARIO`` opens a
shell in a guest.
"""
