"""Predictions as one HTML page that needs nothing else: histograms, a table that sorts, pictures, bodies.

The size of the page is bounded: all frames are in the table, but only the best ones and some of those that
are flagged have pictures, as 8-bit PNG.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invert.estimate import FLAG_MEANINGS, FLAGS, Estimates, flag_names
from invert.predictions import Predictions
from msft.bodies import ConvexPolyhedron, named
from msft.dataset import MISREAD
from msft.detector import EwaldDetector
from msft.output import whole

PAGE = Path(__file__).parent / "report_page"

MOST_PICTURES = 200
MOST_ROWS = 20_000
"""Frames in the table; the CSV has them all."""

GREYS = 254
"""Grey values of a picture, from 1; 0 stands for pixels that were not compared."""


def write_report(
    path: Path,
    predictions: Predictions,
    pictures: int = MOST_PICTURES,
    labels: Mapping[int, str] | None = None,
) -> int:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path
        Where.
    predictions
        What it shows.
    pictures
        Frames that have pictures, at most.
    labels
        Labels of frames by their numbers, for a column of the table; without it there is none.

    Returns
    -------
    The number of frames that have.
    """
    from plotly.offline import get_plotlyjs

    estimates = predictions.estimates(slice(0, MOST_ROWS))
    shown = chosen(estimates, pictures)
    data = {
        "rows": _rows(estimates, labels or {}),
        "labelled": labels is not None,
        "pictures": _pictures(predictions, shown),
        "bodies": {name: mesh(name) for name in sorted(set(estimates.particles.bodies.tolist()))},
        "extent": _extent(predictions),
        "total": len(predictions),
        "flags": list(FLAGS),
        "meanings": FLAG_MEANINGS,
    }
    parts = {
        "TITLE": html.escape(predictions.path.name),
        "ABOUT": _about(predictions, len(estimates), len(shown)),
        "NOTICE": ""
        if predictions.complete
        else f'<p id="notice">{html.escape(unfinished(predictions))}</p>',
        "STYLE": (PAGE / "page.css").read_text(),
        "PLOTLY": get_plotlyjs(),
        "SCRIPT": (PAGE / "page.js").read_text(),
        # a file's name may hold what would end the script
        "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    }
    # in one pass: what a part holds is not looked at again
    page = re.sub(r"@@([A-Z]+)@@", lambda place: parts[place[1]], (PAGE / "page.html").read_text())
    with whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return len(shown)


def unfinished(predictions: Predictions) -> str:
    """What is said of predictions that are not complete."""
    return f"{predictions.path.name} is not complete: {len(predictions)} frames so far"


def chosen(estimates: Estimates, pictures: int) -> NDArray[np.int64]:
    """Rows of the frames that have pictures: up to half of them flagged, the others the best."""
    if len(estimates) <= pictures:
        return np.arange(len(estimates))
    order = np.argsort(-estimates.agreement, kind="stable")
    flagged = order[estimates.flags[order] > 0]
    # spread over the flagged ones, from nearly good to hopeless
    some = flagged[np.unique(np.linspace(0, len(flagged) - 1, min(pictures // 2, len(flagged))).astype(int))]
    rest = order[~np.isin(order, some)][: pictures - len(some)]
    return np.sort(np.concatenate([some, rest]))


def mesh(body: str) -> dict[str, Any] | None:
    """Vertices of a polyhedron with circumsphere 1, its triangles and its edges; None for other bodies."""
    shape = named(body)
    if not isinstance(shape, ConvexPolyhedron):
        return None
    triangles, edges = [], set()
    for face in shape.faces:
        corners = [int(corner) for corner in face if corner >= 0]
        triangles += [[corners[0], *pair] for pair in pairwise(corners[1:])]
        edges |= {tuple(sorted(pair)) for pair in pairwise([*corners, corners[0]])}
    return {
        "vertices": np.round(shape.vertices, 6).tolist(),
        "triangles": triangles,
        "edges": sorted(edges),
    }


def _rows(estimates: Estimates, labels: Mapping[int, str]) -> list[list[Any]]:
    """What the table shows, and the particle: in the order in which the page's script takes it."""
    score = np.full(len(estimates), np.nan) if estimates.score is None else estimates.score
    return [
        [
            int(estimates.frames[row]),
            _number(estimates.particles.radius[row], 2),
            _number(estimates.radius_sigma[row], 2),
            _number(np.degrees(estimates.orientation_sigma[row]), 2),
            _number(estimates.agreement[row], 4),
            _number(score[row], 3),
            int(estimates.patterns_used[row]),
            ", ".join(flag_names(int(estimates.flags[row]))),
            [_number(component, 5) for component in estimates.particles.orientation[row]],
            str(estimates.particles.bodies[row]),
            [_number(pixel, 2) for pixel in estimates.beam[row]],
            labels.get(int(estimates.frames[row])),
        ]
        for row in range(len(estimates))
    ]


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _pictures(predictions: Predictions, rows: NDArray[np.int64]) -> dict[str, list[str]]:
    pictures = {}
    for row in rows.tolist():
        measured, resimulated, valid = (images[0] for images in predictions.images(slice(row, row + 1)))
        pictures[str(row)] = [_png(measured, valid), _png(resimulated, np.ones_like(valid))]
    return pictures


def _png(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> str:
    """An image in [0, 1] as base64 of an 8-bit PNG."""
    grey = np.where(valid, 1 + np.rint(GREYS * np.clip(image, 0, 1)), 0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _extent(predictions: Predictions) -> dict[str, Any]:
    """Of the axes: the width of a pixel, and its unit."""
    detector = predictions.detector
    if isinstance(detector, EwaldDetector):
        return {"step": detector.q_step, "x": "q_x (1/nm)", "y": "q_y (1/nm)"}
    if detector is not None:
        return {"step": detector.pixel_size, "x": "x (mm)", "y": "y (mm)"}
    return {"step": 1, "x": "x (px)", "y": "y (px)"}


def _about(predictions: Predictions, rows: int, pictures: int) -> str:
    """Where the numbers come from, as the rows of a table."""
    facts = {"frames from": ", ".join(predictions.sources)}
    for name in ("program", "version", "command", "weights", "weights_sha256", "seed"):
        if name in predictions.provenance:
            facts[name.replace("_", " ")] = str(predictions.provenance[name])
    try:
        notes = json.loads(str(predictions.provenance.get("notes", "[]")))
    except MISREAD:
        notes = []
    if isinstance(notes, list):
        facts |= {f"note {number}": str(note) for number, note in enumerate(notes, 1)}
    total = len(predictions)
    facts["this page"] = f"{rows} of {total} frames in the table, {pictures} with pictures" + (
        " (the best ones, and a choice of those that are flagged)" if pictures < total else ""
    )
    return "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts.items()
    )
