"""Reads a data set whole, and prints what came of it and the peak of memory in MB."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from vstore.errors import VStoreError
from vstore.transfer.files import Foreign, open_data_set


def main(path: str) -> None:
    said, rows = "", 0
    try:
        source = open_data_set(path, foreign=None if "own" in path else Foreign(metric="l2"))
        rows = sum(len(page.records) for page in source.scan(batch_size=2))
    except VStoreError as error:
        said = f"{type(error).__name__}: {error}"
    # not getrusage, which after a fork tells the peak of the parent as well
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10  # type: ignore[index]
    print(json.dumps({"rows": rows, "said": said, "peak": peak}))  # noqa: T201 (read by the test)


if __name__ == "__main__":
    main(sys.argv[1])
