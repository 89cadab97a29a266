# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Examples of the commands, for ``--help`` and the manual pages.

Each example has a title, and a command of at most 74 characters a line. The tests parse each
example, and run the examples on VIFs in a private network namespace.
"""

from __future__ import annotations

#: The examples of each command: title and command lines.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "check": (
        ("Compare the host with a VIF", "os-vif check vif.json"),
        ("Compare the host with all its VIFs, as JSON", "os-vif check --all -f json"),
        ("List VIFs of one owner that differ", "os-vif check --all --owner nova-compute"),
    ),
    "cni-daemon": (
        ("Serve container runtimes with the options of a file",
         "os-vif --config-file /etc/os-vif/os-vif.conf cni-daemon"),
    ),
    "class-types": (
        ("Write the types of own classes for editors", "os-vif class-types my_project.objects"),
        ("Check the types in a CI job", "os-vif class-types --check my_project.objects"),
    ),
    "compare": (
        ("Compare the objects of two backups", "os-vif compare before.json after.json"),
        ("Write the differences of one namespace as CSV",
         "os-vif compare before.json after.json --only namespace=shop -f csv"),
    ),
    "complete": (
        ("Complete the command in this bash", 'eval "$(os-vif complete)"'),
        ("Write the completion for zsh", "os-vif complete --shell zsh > _os-vif"),
        ("Write the completion for fish", "os-vif complete --shell fish > os-vif.fish"),
    ),
    "convert": (
        ("Convert objects to documents", "os-vif convert --form json stored.json"),
        ("Convert files for readers with an older release",
         "os-vif convert --release 5.3.0 --in-place stored.json"),
        ("List the objects that would lose data",
         "os-vif convert --release 1.14.0 --check stored.json"),
        ("Write a JSON patch for each object, for kubectl patch --type json",
         "os-vif convert --form json --patch stored.json"),
    ),
    "demo": (
        ("Plug VIFs in a private network namespace", "os-vif demo"),
    ),
    "describe": (
        ("Show a VIF by its device", "os-vif describe tap-demo"),
        ("Write the VIF as a document, for other commands",
         "os-vif describe --document tap-demo > vif.json"),
    ),
    "doctor": (
        ("Check the host", "os-vif doctor"),
        ("Check what one plugin needs, as JSON", "os-vif doctor --plugin linux_bridge -f json"),
    ),
    "gc": (
        ("List the VIFs of no guest of libvirt",
         "virsh list --all --uuid | os-vif gc --keep - --dry-run"),
        ("Unplug the VIFs of one owner that no list names",
         "os-vif gc --keep in-use.txt --owner nova-compute --older-than 30m"),
    ),
    "help": (
        ("Print the options of a command", "os-vif help plug"),
    ),
    "host-info": (
        ("List the SR-IOV functions as a table", "os-vif host-info"),
        ("Draw a tree of each physical function", "os-vif host-info --tree"),
    ),
    "import": (
        ("Make documents from the pods of a cluster",
         "os-vif import kuryr stored.json > vifs.json"),
    ),
    "list": (
        ("List the VIFs of the host", "os-vif list"),
        ("List VIFs that differ, for a script", "os-vif list --state differs -f value -c ID"),
        ("Draw the VIFs and their devices", "os-vif list --svg host.svg"),
    ),
    "negotiate bind": (
        ("Bind a port for the first host that can plug it",
         "os-vif negotiate bind port.json --offer offer.json"),
    ),
    "negotiate offer": (
        ("Write the offer of this host", "os-vif negotiate offer -f json > offer.json"),
        ("Show the offer of a chassis of OVN",
         "ovn-sbctl --format=json list Chassis host-b | os-vif negotiate offer -"),
    ),
    "negotiate verdict": (
        ("Compare a VIF on two hosts before a live migration",
         "os-vif negotiate verdict here.json there.json --offer offer.json"),
    ),
    "new-plugin": (
        ("Write the package of a plugin into the directory os-vif-example",
         "os-vif new-plugin example"),
    ),
    "plan": (
        ("Print the changes of a plug", "os-vif plan vif.json"),
        ("Print the commands of an unplug as a script",
         "os-vif plan --unplug -f sh vif.json > unplug.sh"),
    ),
    "plug": (
        ("Plug a VIF", "os-vif plug vif.json"),
        ("Plug VIFs of a guest, and report each step as JSON",
         "os-vif plug --instance-name guest-1 -f json vifs.jsonl"),
    ),
    "plugins": (
        ("List the plugins", "os-vif plugins"),
        ("List the names only", "os-vif plugins -f value -c Plugin"),
    ),
    "privileged": (
        ("Serve the processes of the user nova",
         "os-vif --config-file /etc/os-vif/os-vif.conf privileged --allow-user nova"),
    ),
    "repair": (
        ("List the differences of all VIFs, and ask", "os-vif repair --all"),
        ("Repair one VIF without a question", "os-vif repair --yes tap-demo"),
    ),
    "schema": (
        ("Print the schema of all VIFs", "os-vif schema"),
        ("Print what the release 5.3.0 stores for a network",
         "os-vif schema Network --release 5.3.0"),
        ("Print the CustomResourceDefinition of a KuryrPort",
         "os-vif schema KuryrPort --kubernetes"),
    ),
    "show": (
        ("Draw a VIF as a tree", "os-vif show vif.json"),
        ("Print stored VIFs as YAML", "os-vif show -f yaml stored.json"),
        ("Draw objects as a picture", "os-vif show --svg vif.svg stored.json"),
    ),
    "survey": (
        ("Count stored objects by era, class, namespace and fault",
         "os-vif survey stored.json"),
        ("Print namespace and name of the objects with a fault, for a loop",
         "os-vif survey --faulty stored.json"),
    ),
    "unplug": (
        ("Unplug a VIF", "os-vif unplug vif.json"),
        ("Unplug several VIFs, and report each step", "os-vif unplug -f text vifs.jsonl"),
    ),
    "validate": (
        ("Print the errors of stored objects", "os-vif validate stored.json"),
        ("Validate the KuryrPorts of a cluster",
         "kubectl get kuryrports -A -o yaml | os-vif validate"),
    ),
    "watch": (
        ("Report differences as lines of JSON", "os-vif watch -f json"),
        ("Repair after 30 s, with metrics for Prometheus",
         "os-vif watch --repair 30s --metrics 127.0.0.1:9105"),
    ),
}  # fmt: skip
