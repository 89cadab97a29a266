# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that reach into the network namespace of a pod.

Only the daemon ``os_vif.plugins.pod_privsep`` accepts the steps: entering a namespace takes
CAP_SYS_ADMIN. A step names the namespace by path and by ``DEVICE:INODE`` of the file, so a path or
a process id that was used again is an error.
"""
