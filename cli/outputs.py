"""The files that `invert predict` and `invert fit` write about frames, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .common import HDF5, report

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
        """Where they go; refused before any work if one could not be written, or holds something else."""
        from invert.kept import are_predictions
        from invert.table import is_table
        from msft.errors import ParameterError
        from msft.output import beside, check_apart, check_own, check_writable
        from msft.resumable import unfinished

        from .own import is_figure, is_page, other_file
        from .reporting import wants_page

        target = out or beside(frames, ".predictions.h5", "frames")
        html = target.with_suffix(".html") if wants_page(page) else None
        no_plotly = page is None and html is None
        outputs = cls(target, target.with_suffix(".csv"), target.with_suffix(".png"), html, no_plotly)
        if out is None and (about := other_file(_sources(target), frames)):
            raise ParameterError("out", target, f"--out with a new name: it holds answers about {about}")
        inputs = [frames, *(path for path in others if path)]
        check_writable(outputs.predictions, inputs=inputs, suffixes=HDF5)
        check_apart(unfinished(outputs.predictions), inputs)
        for path in (outputs.table, outputs.picture, *([html] if html else [])):
            check_writable(path, inputs=inputs)
        for path, is_own in (
            (outputs.predictions, are_predictions),
            (outputs.table, is_table),
            (outputs.picture, is_figure),
            *([(html, is_page)] if html else []),
        ):
            check_own(path, is_own)
        return outputs

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
            *print_warnings(notes),
            *lines,
            *table,
            summary.line(),
            *summary.bodies_lines(),
            summary.flags_line(),
            "wrote " + ", ".join(map(str, files)),
            *(["no HTML page: pip install 'msft-invert[report]' brings plotly"] if self.no_plotly else []),
        ]
        report(result, text, quiet, as_json)


def _sources(path: Path) -> list[str]:
    """Files and arrays that a file has predictions about; none if it has no predictions, or is not there."""
    from invert.predictions import open_predictions
    from msft.errors import ParameterError

    try:
        with open_predictions(path) as predictions:
            return predictions.sources
    except ParameterError:
        return []


def print_warnings(notes: Sequence[str]) -> list[str]:
    """Print them to stderr, where --quiet and --json do not hide them; returns the other notes."""
    warnings = [note for note in notes if note.startswith("warning")]
    for warning in warnings:
        print(warning, file=sys.stderr)
    return [note for note in notes if note not in warnings]
