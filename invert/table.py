"""Estimates for people and spreadsheets: CSV, a table of a few frames, medians against the truth."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invert.estimate import FLAGS, Estimates, flag_names
from msft.bodies.rotations import rotation_group
from msft.output import whole
from msft.particle import Particles
from msft.symmetry import misorientation

COLUMNS = (
    *("frame", "radius_nm", "radius_sigma_nm", "q_w", "q_x", "q_y", "q_z"),
    *("orientation_sigma_degrees", "agreement", "patterns_used", "flags"),
    *("alternative_radius_nm", "alternative_degrees_away", "alternative_agreement", "score"),
    *("body", "alternative_body", "beam_row_offset_px", "beam_column_offset_px"),
)
"""Of the CSV table."""


TruthOf = Callable[[NDArray[np.int64]], Particles | None]
"""The particles that frames of these numbers show, where that is known."""


def write_table(path: Path, estimates: Estimates | Iterable[Estimates]) -> None:
    """Write estimates, at once or in portions, as CSV, a row per frame; whole or not at all."""
    with whole(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for part in [estimates] if isinstance(estimates, Estimates) else estimates:
            writer.writerows(cells(part, row) for row in range(len(part)))


def cells(estimates: Estimates, row: int) -> list[str]:
    """A row of the table; of a frame that shows nothing, no particle."""
    seen = _seen(estimates, row)

    def number(value: float, digits: int) -> str:
        return f"{value:z.{digits}f}" if seen and not np.isnan(value) else ""

    return [
        str(estimates.frames[row]),
        number(estimates.particles.radius[row], 3),
        number(estimates.radius_sigma[row], 3),
        *(number(component, 6) for component in estimates.particles.orientation[row]),
        number(np.degrees(estimates.orientation_sigma[row]), 3),
        f"{estimates.agreement[row]:.4f}",
        str(estimates.patterns_used[row]),
        " ".join(flag_names(int(estimates.flags[row]))),
        *_alternative(estimates, row),
        "" if estimates.score is None or np.isnan(estimates.score[row]) else f"{estimates.score[row]:.4f}",
        str(estimates.particles.bodies[row]),
        str(estimates.alternatives.bodies[row]),
        *(number(pixels, 2) for pixels in estimates.beam[row]),
    ]


def _seen(estimates: Estimates, row: int) -> bool:
    """Whether a frame shows anything."""
    return not estimates.flags[row] & (FLAGS["no_signal"] | FLAGS["unreadable"])


def _alternative(estimates: Estimates, row: int) -> list[str]:
    """Radius in nm, distance in degrees and agreement of a frame's second answer; empty where it has none.

    The orientation of another body is at no distance.
    """
    other, particles = estimates.alternatives, estimates.particles
    if np.isnan(other.radius[row]):
        return ["", "", ""]
    angle = ""
    if other.bodies[row] == particles.bodies[row]:
        group = rotation_group(str(particles.bodies[row]))
        away = np.degrees(misorientation(particles.orientation[row], other.orientation[row], group))
        angle = f"{away:.2f}"
    return [f"{other.radius[row]:.3f}", angle, f"{other.agreement[row]:.4f}"]


def lines(estimates: Estimates, truth: Particles | None) -> list[str]:
    """A table of a few frames for people, against the truth where it is known."""
    against = None if truth is None else _against(estimates, truth)
    bodies = estimates.particles.bodies
    width = max(map(len, bodies.tolist()), default=0) + 1
    several = len(set(bodies.tolist())) > 1
    columns = f"{'frame':>6} {'radius/nm':>10} {'agreement':>10}"
    if against is not None:
        columns += f" {'true radius/nm':>15} {'orientation off by/deg':>23}"
    columns += f"  {'body':{width}}" if several else ""
    rows = [columns + "  flags"]
    for row, frame in enumerate(estimates.frames):
        radius = f"{estimates.particles.radius[row]:10.2f}" if _seen(estimates, row) else f"{'':10}"
        text = f"{frame:6d} {radius} {estimates.agreement[row]:10.3f}"
        if truth is not None and against is not None:
            if np.isnan(against[0][row]):
                text += f" {'':15} {'is a ' + truth.bodies[row]:>23}"
            else:
                text += f" {truth.radius[row]:15.2f} {against[0][row]:23.3g}"
        text += f"  {bodies[row]:{width}}" if several else ""
        rows.append(f"{text}  {', '.join(flag_names(int(estimates.flags[row])))}".rstrip())
    return rows


@dataclass
class Summary:
    """Medians over many frames, collected in portions: a few numbers of each frame are kept."""

    agreement: list[float] = field(default_factory=list)
    patterns: list[int] = field(default_factory=list)
    degrees: list[float] = field(default_factory=list)
    nanometres: list[float] = field(default_factory=list)
    bodies: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    flagged: Counter[str] = field(default_factory=Counter)

    def add(self, estimates: Estimates, truth: Particles | None) -> None:
        """Take some more frames into account."""
        self.agreement += estimates.agreement.tolist()
        self.patterns += estimates.patterns_used.tolist()
        for flags in estimates.flags.tolist():
            self.flagged.update(flag_names(flags))
        self.bodies.update(estimates.particles.bodies.tolist())
        if truth is not None:
            self.compared += len(truth)
            degrees, nanometres = _against(estimates, truth)
            self.degrees += degrees[np.isfinite(degrees)].tolist()
            self.nanometres += nanometres[np.isfinite(nanometres)].tolist()

    def line(self) -> str:
        """Median errors where the truth is known, agreement and number of patterns simulated."""
        text = f"median over {len(self.agreement)} frames: "
        if self.degrees:
            text += (
                f"orientation {np.median(self.degrees):.2g} deg, "
                f"radius {np.median(self.nanometres):.2g} nm off, "
            )
        patterns = np.median(self.patterns)
        return text + f"agreement {np.median(self.agreement):.3f}, patterns simulated {patterns:g}"

    def bodies_lines(self) -> list[str]:
        """How many frames are which body, if there are several, and how many that are rightly so."""
        lines = []
        if len(self.bodies) > 1:
            lines.append(", ".join(f"{count} {name}" for name, count in sorted(self.bodies.items())))
        if len(self.degrees) < self.compared or (lines and self.compared):
            lines.append(f"the body is the true one in {len(self.degrees)} of {self.compared} frames")
        return lines

    def flags_line(self) -> str:
        """How many frames have which flag."""
        flagged = ", ".join(f"{count} {name}" for name, count in sorted(self.flagged.items()))
        return f"flagged: {flagged or 'none'}"


def _against(estimates: Estimates, truth: Particles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far orientations in degrees, up to the body's symmetry, and radii in nm are from the truth.

    NaN where the body is another: its size and orientation say nothing about the true one's.
    """
    found = estimates.particles
    angle, radius = np.full((2, len(estimates)), np.nan)
    for body in set(found.bodies.tolist()):
        same = (found.bodies == body) & (truth.bodies == body)
        group = rotation_group(body)
        angle[same] = misorientation(found.orientation[same], truth.orientation[same], group)
        radius[same] = np.abs(found.radius[same] - truth.radius[same])
    return np.degrees(angle), radius


def is_table(path: Path) -> bool:
    """Whether a CSV has a row per frame."""
    with path.open("rb") as file:
        return file.read(6) == b"frame,"
