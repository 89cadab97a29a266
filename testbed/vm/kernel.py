# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Choice of a Debian kernel for virtual machines from a list of packages.

The packages of an update do not appear in the archive at the same time: an image can be present
for hours or days without headers, or with a newer kbuild only. The newest complete kernel is
chosen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from testbed.cache import Unavailable

#: The package that depends on the default kernel of the Debian release.
META = "linux-image-amd64"
_IMAGE = re.compile(r"linux-image-(?P<release>(?P<series>\d+\.\d+)\b[^-]*(?:-\d+)?-amd64)$")
_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9.+-]*)(?:\s*\((?P<sign>[<>=]+)\s*(?P<version>\S+)\))?"
)


@dataclass(frozen=True)
class Package:
    """A version of a package, as ``apt-cache show`` describes the package."""

    name: str
    version: str
    depends: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.version}"

    def relations(self, pattern: str) -> Iterator[Relation]:
        """Yield the dependencies on packages whose names match the pattern, without
        alternatives.
        """
        for text in self.depends.split(","):
            found = _RELATION.match(text.strip())
            if found and re.fullmatch(pattern, found["name"]):
                yield Relation(found["name"], found["sign"] or "", found["version"] or "")


@dataclass(frozen=True)
class Relation:
    """A dependency on a package, possibly limited to some versions."""

    name: str
    sign: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.sign} {self.version})" if self.sign else self.name

    def permits(self, version: str) -> bool:
        """Return whether the dependency accepts a version of the package."""
        order = compare(version, self.version)
        return {
            "": True,
            "=": order == 0,
            ">=": order >= 0,
            ">>": order > 0,
            "<=": order <= 0,
            "<<": order < 0,
        }[self.sign]


@dataclass(frozen=True)
class Kernel:
    """The packages from which the kernel and the modules of a virtual machine are built."""

    image: Package
    headers: Package
    common: Package
    kbuild: Package
    source: Package

    @property
    def packages(self) -> tuple[Package, ...]:
        return (self.image, self.headers, self.common, self.kbuild, self.source)

    @property
    def compiler(self) -> str:
        """Return the name of the package with the compiler of the kernel."""
        found = re.search(r"gcc-\d+", self.headers.depends)
        if found is None:
            raise Unavailable(f"{self.headers} does not say which gcc it was built with")
        return found[0]

    def __str__(self) -> str:
        others = [
            f"{package.name} {package.version}"
            for package in (self.kbuild, self.source)
            if package.version != self.image.version
        ]
        return f"{self.image.name} {self.image.version}" + "".join(f", {text}" for text in others)


def complete_kernels(described: str) -> list[Kernel]:
    """Return the complete kernels, the best kernel first.

    :param described: the output of ``apt-cache show`` for all packages with a name that begins
        with ``linux-``. The preferred version of a package comes first.
    :raises Unavailable: no kernel is complete; the message lists the missing packages.
    """
    known: dict[str, list[Package]] = {}
    for package in packages(described):
        versions = known.setdefault(package.name, [])
        if package not in versions:
            versions.append(package)
    images = [image for name in known if _IMAGE.match(name) for image in known[name]]
    images.sort(key=_newest, reverse=True)
    # Backports can have newer kernels than the release.
    own = _series(known.get(META, []))
    images.sort(key=lambda image: _IMAGE.match(image.name)["series"] != own)
    found = []
    lacking = []
    for image in images:
        made = _complete(image, known)
        if isinstance(made, Kernel):
            found.append(made)
        else:
            lacking.append(f"{image.name} {image.version} lacks {made}")
    if not found:
        said = "; ".join(lacking[:3]) or "there is no package linux-image-VERSION-amd64"
        raise Unavailable(
            f"no kernel of which image, headers, kbuild and source are there: {said}"
        )
    return found


def packages(described: str) -> Iterator[Package]:
    """Yield the packages in the output of ``apt-cache show``."""
    for stanza in re.split(r"\n\s*\n", described):
        fields = dict(re.findall(r"^(Package|Version|Depends): *(.*)$", stanza, re.MULTILINE))
        if "Package" in fields and "Version" in fields:
            yield Package(fields["Package"], fields["Version"], fields.get("Depends", ""))


def _series(meta: Iterable[Package]) -> str | None:
    for package in meta:
        for relation in package.relations(r"linux-image-\d.*"):
            if found := _IMAGE.match(relation.name):
                return found["series"]
    return None


def _complete(image: Package, known: dict[str, list[Package]]) -> Kernel | str:
    """Return the kernel, or the name of a missing package."""
    form = _IMAGE.match(image.name)
    headers = _there(Relation(f"linux-headers-{form['release']}", "=", image.version), known)
    if isinstance(headers, str):
        return headers
    needed = [headers]
    for kind in (r"linux-headers-\S+-common", r"linux-kbuild-\S+"):
        relation = next(headers.relations(kind), None)
        if relation is None:
            return f"a dependency of {headers} on {kind}"
        package = _there(relation, known, image.version)
        if isinstance(package, str):
            return package
        needed.append(package)
    name = f"linux-source-{form['series']}"
    same = [
        package
        for package in known.get(name, ())
        # A Debian revision does not change the built modules.
        if _upstream(package.version) == _upstream(image.version)
    ]
    if not same:
        return _lacks(Relation(name, "=", image.version), known)
    return Kernel(image, *needed, _nearest(same, image.version))


def _there(
    relation: Relation, known: dict[str, list[Package]], wanted: str | None = None
) -> Package | str:
    there = [item for item in known.get(relation.name, ()) if relation.permits(item.version)]
    return _nearest(there, wanted) if there else _lacks(relation, known)


def _lacks(relation: Relation, known: dict[str, list[Package]]) -> str:
    there = ", ".join(item.version for item in known.get(relation.name, ())) or "none"
    return f"{relation} (there: {there})"


def _nearest(there: list[Package], wanted: str | None) -> Package:
    """Return the wanted version, or else the oldest newer version, or else the newest version."""
    there = sorted(there, key=_newest)
    for package in there:
        if wanted is not None and compare(package.version, wanted) >= 0:
            return package
    return there[-1]


def _upstream(version: str) -> str:
    return version.rpartition("-")[0] or version


def compare(one: str, other: str) -> int:
    """Compare two versions of Debian packages: return a negative number, 0, or a positive
    number.
    """
    ours, theirs = _parts(one), _parts(other)
    return (ours > theirs) - (ours < theirs)


def _parts(version: str) -> tuple[object, ...]:
    """Return the sort key of a version: epoch, upstream version and revision."""
    epoch, colon, rest = version.rpartition(":")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch) if colon else 0, _key(upstream), _key(revision)


def _key(text: str) -> tuple[tuple[object, ...], ...]:
    """Return the words and numbers of a version: ``~`` before the end, letters before the rest."""
    pairs = re.findall(r"([^0-9]*)([0-9]*)", text)
    return tuple((_word(word), int(number or 0)) for word, number in pairs)


def _word(word: str) -> tuple[int, ...]:
    ranks = [-1 if sign == "~" else ord(sign) + (0 if sign.isalpha() else 256) for sign in word]
    return (*ranks, 0)


_newest = functools.cmp_to_key(lambda one, other: compare(one.version, other.version))
