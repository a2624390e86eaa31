"""Environments as users have them: made by venv and pip of a wheel of this checkout, with just the extras asked for."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ROOT", "Environment", "build_wheel"]

ROOT = Path(__file__).resolve().parents[2]
_ADVICE = re.compile(r"pip install 'vstore-db\[([\w-]+)\]'")
_SECONDS = 800.0  # the whole suite on Milvus Lite takes minutes on a busy machine
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# what a machine may set so that NumPy computes rightly on its processor, and nothing that leads to this checkout
_KEPT = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built by pip."""
    _checked([*_PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass
class Environment:
    """One environment and the home of its user; it grows by ``install``.

    Attributes:
        folder: Where it is.
        wheel: What is installed.
        extras: The extras so far.
    """

    folder: Path
    wheel: Path
    extras: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        venv.create(self.folder / "env", with_pip=False, symlinks=True)
        (self.folder / "home").mkdir()
        self.install()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "env" / "bin" / "python"

    def install(self, *extras: str) -> None:
        """Adds extras, as ``pip install 'vstore-db[…]'`` does: what is there already is not resolved again."""
        new = [extra for extra in extras if extra not in self.extras]
        if new or not extras:
            self.add(f"{self.wheel}[{','.join(new)}]" if new else str(self.wheel))
        self.extras += new

    def add(self, requirement: str) -> None:
        """Installs something else beside."""
        # modules are compiled when they are first imported: most of what clients bring never is
        _checked([*_PIP, "--python", str(self.python), "install", "--quiet", "--no-compile", requirement])

    def run(self, command: str | Sequence[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell line, or a program with arguments, in a process of its own that inherits nothing."""
        line = command if isinstance(command, str) else shlex.join(command)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            **variables,
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess([line], process.returncode, out, err)

    def python_code(self, code: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a program given as text."""
        return self.run([str(self.python), "-c", code], cwd, **variables)

    def following_advice(
        self, command: str | Sequence[str], cwd: Path, **variables: str
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """Runs a command; where it says which extra to install, installs that and runs it again.

        Returns:
            How it ended, and the extras it asked for.
        """
        followed: list[str] = []
        while True:
            done = self.run(command, cwd, **variables)
            advice = _ADVICE.findall(done.stderr)
            if done.returncode == 0 or not advice:
                return done, followed
            assert "Traceback" not in done.stderr or "import vstore" in done.args[0], done.stderr
            assert advice[0] not in self.extras, f"{advice[0]} is installed, and still {done.stderr}"
            self.install(advice[0])
            followed.append(advice[0])


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)} failed:\n{done.stderr[-4000:]}"
