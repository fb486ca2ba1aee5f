"""What `invert predict` and `invert fit` share: options, and an open file inverted into predictions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .outputs import Outputs
from .progress import progress_bar
from .reading import as_options

if TYPE_CHECKING:
    from invert.frames import FrameSource, Reading
    from invert.inverter import Inverter
    from invert.labelling.keep import Selection
    from invert.stream import Streamed

Pictures = Annotated[int, typer.Option("--pictures", min=0, help="Frames in the PNG.")]
FixedBeam = Annotated[bool, typer.Option("--fixed-beam", help="Forward fitting keeps the beam where it is.")]
Page = Annotated[
    bool | None,
    typer.Option("--report/--no-report", help="Write an HTML page [if plotly is installed]."),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Processes that share the frames.")]


def source_notes(source: FrameSource) -> list[str]:
    """What was found and decided about the frames, for people."""
    return [f"{len(source)} frames in {source.path.name} ({source.scale} scale)", *source.notes]


def invert_file(
    source: FrameSource,
    rows: slice,
    inverter: Inverter,
    outputs: Outputs,
    reading: Reading,
    provenance: Mapping[str, Any],
    jobs: int,
    silent: bool,
    selection: Selection | None = None,
) -> tuple[Streamed, list[str]]:
    """Invert an open file, as the inverter has adjusted it; returns also notes for people."""
    from invert.kept import replacing
    from invert.processes import InvertingProcesses
    from invert.reading.options import chosen
    from invert.stream import invert_stream

    wanted = chosen(rows, len(source))
    count = len(wanted if selection is None else selection.numbers(wanted))
    with (
        replacing(outputs.predictions) as kept,
        progress_bar("inverting", count, silent) as progress,
        nullcontext() if jobs == 1 else InvertingProcesses(source, inverter, jobs) as processes,
    ):
        streamed = invert_stream(
            source,
            rows,
            inverter,
            outputs.predictions,
            as_options(reading),
            provenance,
            progress,
            selection,
            processes,
        )
    before = [f"{streamed.before} frames were done before"] if streamed.before else []
    return streamed, [*source_notes(source), *kept, *before]
