# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Files of a virtual machine, from Debian packages that are unpacked in the cache, not installed.

The packages come from the mirror in the configuration of this machine's apt; QEMU comes from
backports if possible. ``versions.txt`` lists the packages of the day when the cache was created.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed import cache
from testbed.cache import Unavailable
from testbed.vm import kernel
from testbed.vm.kernel import META, Kernel

HERE = Path(__file__).parent

#: Packages for the guest and for building the guest, in addition to the packages of this machine.
_TOOLS = (
    *("qemu-system-x86", "busybox-static", "kmod", "make", "ethtool", "iproute2", "iputils-ping"),
    *("iptables", "openvswitch-switch", "procps"),
)
#: Links that an installation of the packages would have created.
_LINKS = {
    "usr/sbin/ovs-vswitchd": "../lib/openvswitch-switch/ovs-vswitchd",
    **{
        f"usr/sbin/{name}": "xtables-nft-multi"
        for family in ("iptables", "ip6tables")
        for name in (family, f"{family}-save", f"{family}-restore")
    },
}
#: Modules through which the guest reaches its root directory.
_EARLY_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
#: Free bytes needed while a lab is built; half of the space is needed afterwards.
NEEDED_SPACE = 2_000_000_000

#: netdevsim offloads BPF only. The patch makes netdevsim accept the offloads of Open vSwitch.
_NETDEVSIM_BEFORE = "\tif (type != TC_SETUP_CLSBPF) {"
_NETDEVSIM_ADDED = """\
	if (type == TC_SETUP_CLSFLOWER || type == TC_SETUP_CLSMATCHALL)
		return tc_can_offload(ns->netdev) ? 0 : -EOPNOTSUPP;
"""


@dataclass(frozen=True)
class Lab:
    """A complete directory of the cache."""

    path: Path

    @property
    def tools(self) -> Path:
        """Return the root of the unpacked packages."""
        return self.path / "tools"

    @property
    def kernel(self) -> Path:
        """Return the root of the unpacked kernel."""
        return self.path / "kernel"

    @property
    def version(self) -> str:
        """Return the version of the kernel, such as ``6.1.0-56-amd64``."""
        (modules,) = (self.kernel / "usr/lib/modules").iterdir()
        return modules.name

    @property
    def chosen(self) -> str:
        """Return the package and version of the kernel, and of build packages with another
        version.
        """
        return (self.path / "kernel.txt").read_text(encoding="utf-8").strip()

    @property
    def image(self) -> Path:
        return self.kernel / "boot" / f"vmlinuz-{self.version}"

    @property
    def initrd(self) -> Path:
        """Return the path of the initial file system, which mounts the file system of this
        machine.
        """
        return self.path / "initrd.gz"

    def environment(self) -> dict[str, str]:
        """Return the environment in which the unpacked programs run on this machine."""
        libraries = [self.tools / f"usr/lib/{triplet}" for triplet in ("x86_64-linux-gnu", "")]
        return os.environ | {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
            f":{self.tools}/usr/bin:{self.tools}/usr/sbin",
            "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
        }

    def program(self, name: str) -> str:
        """Return the path of a program, either unpacked or installed on this machine.

        :raises Unavailable: the program is missing.
        """
        # Unpacked programs come first: the installed program may be too old.
        ours = f"{self.tools}/usr/bin:{self.tools}/usr/sbin"
        found = shutil.which(name, path=f"{ours}:{self.environment()['PATH']}")
        if found is None:
            raise Unavailable(f"there is no {name}")
        return found

    def run(self, *command: str | Path, **given: object) -> str:
        """Return the output of a program of the lab.

        :raises Unavailable: the program failed; the message has the last line of output.
        """
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False, **given
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
            raise Unavailable(f"{Path(command[0]).name} failed: {said[-1]}")
        return done.stdout


def lab() -> Lab:
    """Return the lab of this machine. The first use builds the lab in a minute or two.

    :raises Unavailable: the lab cannot be built; the message says what is missing.
    """
    _require("x86_64", ("apt-get", "apt-cache", "dpkg-deb", "tar", "setpriv"))
    recipe = "".join(
        path.read_text(encoding="utf-8")
        for path in (
            Path(__file__),
            HERE / "kernel.py",
            HERE / "init.sh",
            HERE / "modules/labrep.c",
        )
    )
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    key = cache.digest(recipe, release)
    try:
        return Lab(cache.cached_directory(f"vm-{key}", _make))
    except OSError as error:
        raise Unavailable(f"the virtual machine cannot be made in the cache: {error}") from error


def _require(machine: str, programs: Iterable[str]) -> None:
    if os.uname().machine != machine:
        raise Unavailable(f"the virtual machine is one of {machine}, and this is not")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Unavailable(
            f"no {missing[0]}: the virtual machine is made from Debian's packages (apt, dpkg, tar, util-linux)"
        )


def _make(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < NEEDED_SPACE:
        raise Unavailable(
            f"no space: to make the virtual machine takes {NEEDED_SPACE // 10**6} MB in {path}, "
            f"and {free // 10**6} MB are free (OS_VIF_TEST_CACHE names another directory)"
        )
    lab = Lab(path)
    work = path / "work"
    work.mkdir()
    apt = _Apt(lab, work / "apt")
    chosen, packages = apt.kernel()
    # The message comes before the build, which takes a minute or two.
    sys.stderr.write(f"The virtual machines are made with {chosen}\n")
    names = [*_TOOLS, chosen.compiler]
    _unpack(lab, apt.missing(names), lab.tools)
    _within(lab.tools)
    for link, target in _LINKS.items():
        place = lab.tools / link
        if not place.is_symlink() and (place.parent / target).exists():
            place.symlink_to(target)
    _unpack(lab, [p for p in packages if p.name.startswith("linux-image")], lab.kernel)
    _unpack(lab, [p for p in packages if not p.name.startswith("linux-image")], work / "source")
    _build_modules(lab, work)
    lab.run(lab.program("depmod"), "-b", lab.kernel, lab.version)
    make_initrd(lab, work / "initrd", lab.initrd, HERE / "init.sh", _EARLY_MODULES)
    every = [*packages, *(work / "apt/archives").glob("*.deb")]
    listed = sorted({p.name.removesuffix(".deb").replace("%3a", ":") for p in every})
    (path / "kernel.txt").write_text(f"{chosen}\n", encoding="utf-8")
    (path / "versions.txt").write_text("\n".join([*listed, ""]), encoding="utf-8")
    shutil.rmtree(work)


class _Apt:
    """The apt of this machine, with separate lists of packages, a separate cache, and
    backports.
    """

    def __init__(self, lab: Lab, path: Path) -> None:
        self._lab = lab
        self._archives = path / "archives"
        for name in ("lists/partial", "archives/partial", "sources"):
            (path / name).mkdir(parents=True)
        preferences = path / "preferences"
        self._options = [
            f"-oDir::Etc::sourceparts={path}/sources",
            f"-oDir::Etc::preferences={preferences}",
            f"-oDir::State::lists={path}/lists",
            f"-oDir::Cache::archives={self._archives}",
            # A shared index would change the package lists of this machine.
            *("-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache="),
            *("-oDebug::NoLocking=1", "-oAPT::Sandbox::User=", "-qq"),
            "-oAPT::Get::Assume-Yes=1",
        ]
        for place in Path("/etc/apt/sources.list.d").glob("*"):
            if place.suffix in {".list", ".sources"}:
                shutil.copy(place, path / "sources")
        self._run("apt-get", "update")
        mirror, suite = self._mirror()
        preferences.write_text(
            f"Package: qemu-system-* seabios\nPin: release a={suite}-backports\n"
            f"Pin-Priority: 990\n\n"
            f"Package: qemu-system-* seabios\nPin: release n={suite}-backports\n"
            "Pin-Priority: 990\n",
            encoding="utf-8",
        )
        # A testing distribution has no backports.
        if suite not in {"sid", "unstable", "testing"}:
            keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
            (path / "sources/os-vif-backports.list").write_text(
                f"deb [signed-by={keyring}] {mirror} {suite}-backports main\n", encoding="utf-8"
            )
        self._run("apt-get", "update")

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        try:
            return self._lab.run(program, *self._options, *arguments, cwd=cwd)
        except Unavailable as reason:
            raise Unavailable(
                f"Debian's packages for the virtual machine are not to be had: {reason}"
            ) from None

    def _mirror(self) -> tuple[str, str]:
        """Return the URL of this machine's mirror, and the name of the release."""
        form = "$(CREATED_BY) $(REPO_URI) $(RELEASE)"
        for line in self._run("apt-get", "indextargets", "--format", form).splitlines():
            kind, uri, release = line.rsplit(" ", 2)
            if kind == "Packages" and "-" not in release and "/debian" in uri:
                return uri, release
        raise Unavailable("apt knows no mirror of Debian here (/etc/apt/sources.list)")

    def kernels(self) -> list[Kernel]:
        """Return the kernels of this release, the newest kernel first; see ``kernel``."""
        # The candidate of the release is described first.
        described = [self._run("apt-cache", "show", "--no-all-versions", META)]
        names = self._run("apt-cache", "pkgnames", "linux-").split()
        kinds = r"linux-(image|headers)-\d.*(-amd64|-common)|linux-(kbuild|source)-\d.*"
        wanted = sorted(name for name in names if re.fullmatch(kinds, name))
        if wanted:
            described.append(self._run("apt-cache", "show", *wanted))
        return kernel.complete_kernels("\n\n".join(described))

    def kernel(self) -> tuple[Kernel, list[Path]]:
        """Return the newest available kernel and the files of its packages.

        :raises Unavailable: no kernel is available.
        """
        # A mirror can list packages that it does not have yet, or no longer has.
        *others, last = self.kernels()[:3]
        for chosen in others:
            with contextlib.suppress(Unavailable):
                return chosen, self.download(map(str, chosen.packages))
        return last, self.download(map(str, last.packages))

    def download(self, packages: Iterable[str]) -> list[Path]:
        """Download packages, installed or not, and return the files."""
        place = self._archives / "kernel"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        self._run("apt-get", "download", *packages, cwd=place)
        return sorted(place.glob("*.deb"))

    def missing(self, packages: Iterable[str]) -> list[Path]:
        """Download packages and their dependencies, unless installed, and return the files."""
        install = ("install", "--no-install-recommends", "--download-only")
        self._run("apt-get", *install, *packages)
        return sorted(self._archives.glob("*.deb"))


def _unpack(lab: Lab, packages: Iterable[Path], root: Path) -> None:
    # As in current Debian releases, /lib is /usr/lib.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        plain = root.parent / "package.tar"
        with plain.open("wb") as file:
            done = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", package], stdout=file, check=False
            )
        if done.returncode != 0:
            raise Unavailable(f"{package.name} cannot be unpacked (is there space?)")
        lab.run(
            *("tar", "--extract", "--keep-directory-symlink", "--no-same-owner"),
            *("--directory", root, "--file", plain),
        )
        plain.unlink()


def _within(root: Path) -> None:
    """Redirect absolute links in the unpacked packages to the unpacked packages."""
    for place in root.rglob("*"):
        if place.is_symlink() and (target := str(place.readlink())).startswith("/"):
            inside = (root / target[1:]).resolve()
            if inside.exists():
                place.unlink()
                place.symlink_to(os.path.relpath(inside, place.parent.resolve()))


def _build_modules(lab: Lab, work: Path) -> None:
    """Build netdevsim, which Debian lacks, and labrep, and add both to the modules of the
    kernel.
    """
    source = work / "source/usr/src"
    headers = source / f"linux-headers-{lab.version}"
    makefile = headers / "Makefile"
    text = makefile.read_text(encoding="utf-8")
    makefile.write_text(re.sub(r"/usr/src/", f"{source}/", text), encoding="utf-8")
    _within(work / "source")
    place = lab.kernel / "usr/lib/modules" / lab.version / "extra"
    place.mkdir()
    (archive,) = source.glob("linux-source-*.tar.xz")
    _netdevsim(archive, work / "netdevsim")
    (work / "labrep").mkdir()
    shutil.copy(HERE / "modules/labrep.c", work / "labrep")
    (work / "labrep/Makefile").write_text("obj-m += labrep.o\n", encoding="utf-8")
    for name in ("netdevsim", "labrep"):
        lab.run(
            *(lab.program("make"), "-s", "-j2", "-C", headers, f"M={work / name}"),
            *("CONFIG_NETDEVSIM=m", "modules"),
        )
        lab.run(lab.program("strip"), "-g", "-o", place / f"{name}.ko", work / name / f"{name}.ko")


def _netdevsim(archive: Path, place: Path) -> None:
    wanted = "/drivers/net/netdevsim/"
    place.mkdir()
    with tarfile.open(archive) as source:
        for member in source:
            _, found, name = member.name.partition(wanted)
            if found and member.isfile():
                (place / name).write_bytes(source.extractfile(member).read())
            elif any(place.iterdir()):
                break
    offload = place / "bpf.c"
    text = offload.read_text(encoding="utf-8")
    if text.count(_NETDEVSIM_BEFORE) != 1:
        raise Unavailable(f"netdevsim in {archive.name} is not as it was (bpf.c)")
    offload.write_text(
        text.replace(_NETDEVSIM_BEFORE, _NETDEVSIM_ADDED + _NETDEVSIM_BEFORE), encoding="utf-8"
    )


def make_initrd(lab: Lab, root: Path, made: Path, init: Path, modules: Iterable[str]) -> None:
    """Pack an initial file system: busybox, an init program, and modules with their dependencies.

    :param root: a directory for the files, which does not exist yet.
    :param made: the file to create. In the file system, ``/modules/list`` names the modules in
        order.
    """
    for name in ("bin", "modules", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy(lab.program("busybox"), root / "bin/busybox")
    shutil.copy(init, root / "init")
    (root / "init").chmod(0o755)
    (root / "bin/sh").symlink_to("busybox")
    modprobe = (lab.program("modprobe"), "-d", lab.kernel, "-S", lab.version, "--show-depends")
    paths = [
        Path(line.split()[1])
        for name in modules
        for line in lab.run(*modprobe, name).splitlines()
        if line.startswith("insmod ")
    ]
    names = []
    for path in dict.fromkeys(paths):
        name = path.name.removesuffix(".xz")
        plain = root / "modules" / name
        if path.suffix == ".xz":
            import lzma

            plain.write_bytes(lzma.decompress(path.read_bytes()))
        else:
            shutil.copy(path, plain)
        names.append(name)
    (root / "modules/list").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    files = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        [lab.program("busybox"), "cpio", "-o", "-H", "newc"],
        cwd=root,
        input=files.encode(),
        capture_output=True,
        check=True,
    )
    made.write_bytes(gzip.compress(packed.stdout, 1))
