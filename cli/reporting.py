"""The command `invert report`: predictions as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .common import Force, Json, Quiet, one_line_errors
from .common import report as say


def report(
    predictions: Annotated[Path, typer.Argument(help="A file that `invert predict` or `invert fit` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HTML to write [NAME.html].")] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, help="Frames with pictures: the best, and those flagged.")
    ] = 200,
    classes: Annotated[
        Path | None, typer.Option("--classes", help="Labels of `invert classify`, for the table.")
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a page to look at: histograms, a table that sorts, pictures and turning particles."""
    with one_line_errors():
        from msft.output import beside, check_own, check_writable

        from .own import is_page

        wants_page(True)
        target = out or beside(predictions, ".html", "predictions")
        check_writable(
            target,
            force or out is None,
            inputs=[predictions, *([classes] if classes else [])],
            suffixes=[".html"],
        )
        if not force:
            check_own(target, is_page)
        from invert.predictions import open_predictions
        from invert.report import unfinished, write_report

        with open_predictions(predictions) as opened:
            shown = write_report(target, opened, pictures, labels_of(classes, opened.sources))
            count, complete = len(opened), opened.complete
            if not complete:
                print(f"warning: {unfinished(opened)}", file=sys.stderr)
        lines = [f"{target}: {count} frames, {shown} of them with pictures"]
        result = {"file": target, "frames": count, "pictures": shown, "complete": complete}
        say(result, lines, quiet, as_json)


def labels_of(classes: Path | None, sources: Sequence[str]) -> dict[int, str] | None:
    """The labels of each frame, if there is a file of them.

    Raises
    ------
    ParameterError
        If the file is no such file, or its labels are of other frames than those of the sources.
    """
    if classes is None:
        return None
    from invert.labelling.classify import read_labelling
    from msft.errors import ParameterError

    labelling = read_labelling(classes)
    if [labelling.source] != list(sources):
        given = f"{classes.name} of {labelling.source}"
        raise ParameterError("classes", given, "labels of " + ", ".join(sources))
    return labelling.by_frame()


def wants_page(wanted: bool | None) -> bool:
    """Whether a page is to be written: by default where plotly is installed.

    Raises
    ------
    ParameterError
        If it is wanted and plotly is not there.
    """
    from msft.errors import ParameterError

    there = find_spec("plotly") is not None
    if wanted and not there:
        raise ParameterError("report", "no plotly", "pip install 'msft-invert[report]', or --no-report")
    return there if wanted is None else wanted
