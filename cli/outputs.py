"""The files that `invert predict` and `invert fit` write about frames, and what they print."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from filecmp import cmp
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from .common import report

if TYPE_CHECKING:
    from invert.table import TruthOf


@dataclass(frozen=True)
class Outputs:
    """The files that a command writes about frames."""

    predictions: Path
    table: Path
    picture: Path
    page: Path | None
    no_plotly: bool = False

    @classmethod
    def checked(
        cls, out: Path | None, frames: Path, others: Sequence[Path | None], page: bool | None
    ) -> Outputs:
        """Where they go; refused before any work if one could not be written."""
        from msft.errors import ParameterError
        from msft.output import beside, check_writable

        from .reporting import wants_page

        target = out or beside(frames, ".predictions.h5", "frames")
        html = target.with_suffix(".html") if wants_page(page) else None
        no_plotly = page is None and html is None
        outputs = cls(target, target.with_suffix(".csv"), target.with_suffix(".png"), html, no_plotly)
        if out is None and (about := _about_others(target, frames)):
            raise ParameterError("out", target, f"--out with a new name: it holds answers about {about}")
        inputs = [frames, *(path for path in others if path)]
        check_writable(outputs.predictions, inputs=inputs, suffixes=[".h5", ".hdf5", ".cxi"])
        for path in (outputs.table, outputs.picture, *([html] if html else [])):
            check_writable(path, inputs=inputs)
        return outputs

    @contextmanager
    def replacing(self) -> Iterator[list[str]]:
        """What writes the predictions; those of forward fitting that it replaces, hours of work, are kept.

        Yields lines for people, which say so. If nothing is replaced, nothing is kept either.
        """
        if not _fitted(self.predictions):
            yield []
            return
        suffix = self.predictions.suffix
        numbered = (self.predictions.with_suffix(f".{number}{suffix}") for number in count(1))
        # what an earlier run kept before it was killed is not kept twice
        earlier = next(path for path in numbered if not path.exists() or cmp(path, self.predictions))
        new = not earlier.exists()
        if new:
            _keep(self.predictions, earlier)
        try:
            yield [f"{self.predictions} held forward fits: they are kept as {earlier}"]
        finally:
            if new and self.predictions.exists() and cmp(self.predictions, earlier):
                earlier.unlink()  # nothing took its place

    def finish(
        self,
        truth: TruthOf,
        pictures: int,
        notes: Sequence[str],
        lines: Sequence[str],
        quiet: bool,
        as_json: bool,
        classes: Path | None = None,
    ) -> None:
        """Table, picture and page of the predictions that are written, and what is printed about them."""
        from invert.predictions import open_predictions
        from invert.table import Summary, write_table
        from invert.table import lines as first_frames

        files, summary = [self.predictions, self.table], Summary()
        with open_predictions(self.predictions) as predictions:
            write_table(self.table, predictions.blocks())
            for part in predictions.blocks():
                summary.add(part, truth(part.frames))
            if pictures:
                from invert.figures import comparison, first_of, save

                save(comparison(first_of(predictions, pictures, truth)), self.picture)
                files.append(self.picture)
            if self.page is not None:
                from invert.report import write_report

                from .reporting import labels_of

                write_report(self.page, predictions, labels=labels_of(classes, predictions.sources))
                files.append(self.page)
            first = predictions.estimates(slice(0, 10))
        result = {
            "files": [str(path) for path in files],
            "frames": len(summary.agreement),
            "agreement": summary.agreement,
            "patterns_used": summary.patterns,
            "bodies": summary.bodies,
            "flagged": summary.flagged,
            "notes": list(notes),
        }
        table = first_frames(first, truth(first.frames))
        if more := len(summary.agreement) - len(first):
            table.append(f"and {more} more, in {self.table.name}")
        text = [
            *notes,
            *lines,
            *table,
            summary.line(),
            *summary.bodies_lines(),
            summary.flags_line(),
            "wrote " + ", ".join(map(str, files)),
            *(["no HTML page: pip install 'msft-invert[report]' brings plotly"] if self.no_plotly else []),
        ]
        report(result, text, quiet, as_json)
        _warn(notes)


def _about_others(path: Path, frames: Path) -> str | None:
    """Which other file than these frames there are predictions about."""
    from invert.predictions import open_predictions
    from msft.errors import ParameterError

    if not path.exists():
        return None
    try:
        with open_predictions(path) as predictions:
            sources = predictions.sources
    except ParameterError:
        return None
    others = [source for source in sources if not source.startswith(f"{frames.name}:")]
    return others[0].partition(":")[0] if others else None


def _fitted(path: Path) -> bool:
    """Whether there are predictions, of any version, that simulated more patterns than a network's do."""
    from invert.predict import PATTERNS
    from invert.predictions import RESULT
    from invert.reading.places import dataset_at
    from msft.dataset import open_hdf5
    from msft.errors import ParameterError

    if not path.exists():
        return False
    try:
        with open_hdf5(path, "predictions") as file:
            used = dataset_at(file, f"{RESULT}/patterns_used")
            return used is not None and bool((used[()] > PATTERNS).any())
    except (ParameterError, OSError, RuntimeError, TypeError, ValueError):
        return False


def _keep(path: Path, earlier: Path) -> None:
    """Give a file a second name, or copy it where the file system has no links."""
    from msft.output import whole

    try:
        os.link(path, earlier)
    except OSError:
        with whole(earlier) as copy:
            shutil.copy2(path, copy)


def _warn(notes: Sequence[str]) -> None:
    """Warnings go to stderr as well, where --quiet and --json do not hide them."""
    for note in notes:
        if note.startswith("warning"):
            print(note, file=sys.stderr)
