"""The reference is built of the docstrings without a warning, and shows what they say."""

from __future__ import annotations

import subprocess
import sys
from html import unescape
from pathlib import Path
from re import sub

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.slow
def test_the_reference_is_built_without_a_warning(tmp_path: Path) -> None:
    sources = tmp_path / "docs"
    (sources / "_templates").mkdir(parents=True)
    for path in (DOCS / "conf.py", DOCS / "index.rst", *DOCS.glob("_templates/*/*")):
        target = sources / path.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    # these lead to pictures elsewhere in the project
    for name in ("physics", "predictions", "helium"):
        (sources / f"{name}.md").write_text(f"# {name}\n")
    options = ["-q", "-W", "--keep-going", str(sources), str(tmp_path / "out")]
    result = subprocess.run([sys.executable, "-m", "sphinx", *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    page = unescape(sub("<[^>]*>", "", (tmp_path / "out/reference/msft.pattern.html").read_text()))
    assert "Intensities |A|^2 of N particles" in page
    assert "Return type" not in page
    assert (tmp_path / "out/reference/invert.fitting.polish.html").exists()
