# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: plugging VIFs into pods. The functions of ``os_vif/pods.py`` call ``pod_operations``.

``pod_plans`` makes a plan of the plugin's steps and the steps in the pod, with the device of
``pod_devices``, the addresses of ``pod_layer_3`` and the link device of ``nested_link``.
"""
