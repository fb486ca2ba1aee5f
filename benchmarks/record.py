"""Records of benchmarks: what was measured, on which machine, with which versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# The scripts' folder comes first on their path, where augment.py would stand for the package of that name:
# once a script has imported this module, the folder is not looked at any more.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

PACKAGES = ("numpy", "scipy", "numba", "torch", "cupy-cuda13x", "msft-invert")


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON with machine, versions and commit beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**result, "environment": environment()}, indent=2) + "\n")


def environment() -> dict[str, Any]:
    """Processor, cores, versions, commit and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        # a copy of the files on another machine may come without their history, or with an older one
        "commit": os.environ.get("COMMIT") or _git("rev-parse", "HEAD"),
        "changed_since": "COMMIT" not in os.environ
        and bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    """What git says; nothing where there is no git, for which no measurement is to be lost."""
    try:
        finished = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
    except OSError:
        return ""
    return finished.stdout.strip()
