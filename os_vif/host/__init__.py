# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host: typed steps, the engine that runs a plan of them, and what it reads of the kernel.

The contract, for authors of plugins and of steps:

1. A step says what has to hold, not what to do. One that already holds changes nothing.
2. A step that changed something yields the steps that undo it.
3. When a step fails, the engine undoes those before it, in reverse, and raises that failure.
4. Everything is checked before anything is touched, and again on the privileged side.
"""
