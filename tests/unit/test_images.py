"""The nightly workflow, the files of Docker and CONTRIBUTING.md name the same images."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _images(path: str) -> set[str]:
    return set(re.findall(r'image: "?([\w/.-]+:[\w.-]+)', (ROOT / path).read_text(encoding="utf-8")))


def test_the_workflow_runs_the_oldest_and_the_newest_images() -> None:
    oldest, newest = _images("docker/oldest.yaml"), _images("docker/compose.yaml")
    assert len(oldest) == len(newest) == 4
    assert _images(".github/workflows/servers.yml") == oldest | newest


def test_contributing_names_them() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+/[\w-]+)` \| ([\w.-]+) \| ([\w.-]+) \|$", text, re.MULTILINE)
    assert {f"{image}:{tag}" for image, *tags in rows for tag in tags} == _images(".github/workflows/servers.yml")
