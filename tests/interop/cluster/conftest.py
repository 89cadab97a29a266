# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The tests of this folder are collected only on a machine with kube-apiserver on the path.

No package registry has the program: see :mod:`tests.support.cluster.api_server`.
"""

from __future__ import annotations

import shutil

collect_ignore_glob = [] if shutil.which("kube-apiserver") else ["test_*.py"]
