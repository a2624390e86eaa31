"""The surface that adapters are written against: its names, and the number that a factory states."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vstore
from vstore import spi


def test_every_name_of_the_surface_is_there() -> None:
    for name in spi.__all__:
        assert getattr(spi, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        spi.nothing  # noqa: B018


def test_what_type_checkers_see_is_what_there_is() -> None:
    block = ast.parse(Path(spi.__file__).read_text(encoding="utf-8")).body
    (checked,) = (node for node in block if isinstance(node, ast.If))
    imports = [node for node in (*block, *checked.body) if isinstance(node, ast.ImportFrom)]
    seen = {name.name for node in imports if (node.module or "").startswith("vstore.") for name in node.names}
    assert seen - {"no_attribute"} | {"SPI_VERSION"} == set(spi.__all__)


def test_importing_vstore_loads_no_part_that_only_adapters_use() -> None:
    seen = "import sys, vstore; print(sorted(m for m in sys.modules if m.startswith('vstore.spi.')))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert "vstore.spi.threaded" not in done.stdout
    assert "vstore.spi.dirlock" not in done.stdout


@pytest.mark.parametrize("stated", ["spi_version = 0", "spi_version = 2", "spi_version = '1'", ""])
def test_an_adapter_of_another_version_is_refused(stated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"vstore_other_{abs(hash(stated))}"
    (tmp_path / f"{module}.py").write_text(
        f"class F:\n    name = 'other'\n    client_packages = ()\n    options = {{}}\n    {stated or 'pass'}\n"
        "adapter = F()\n"
    )
    info = tmp_path / "vstore_other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vstore-other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vstore.adapters]\nother = {module}:adapter\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(vstore.Unsupported, match=r"vstore\.spi; this vstore has 1") as caught:
        vstore.connect("other:")
    assert "spi_version" in str(caught.value)
    with pytest.raises(vstore.InvalidInput, match="no installed adapter") as broken:
        vstore.connect(client=object())
    assert f"{module}:adapter" in str(broken.value)
