"""What is told of the files of a folder that is watched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invert.estimate import Estimates, flag_names


@dataclass(frozen=True)
class Watched:
    """What happened: a frame was inverted, or a file is done.

    Attributes
    ----------
    file
        The file with the frames.
    frame
        Number of the frame in it; None when the file is done.
    radius_nm, orientation, agreement, score, flags
        Of the frame.
    predictions
        The file that was written, when the file is done.
    notes
        What was found and decided about the file, when it is done.
    """

    file: str
    frame: int | None = None
    radius_nm: float | None = None
    orientation: tuple[float, ...] | None = None
    agreement: float | None = None
    score: float | None = None
    flags: tuple[str, ...] = ()
    predictions: str | None = None
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """For people."""
        if self.frame is None:
            return f"{self.file}: wrote {self.predictions}"
        particle = f"R {self.radius_nm:7.2f} nm  agreement {self.agreement:.3f}"
        return f"{self.file} {self.frame:6d}  {particle}  {', '.join(self.flags)}".rstrip()


def of_frame(path: Path, estimates: Estimates, row: int) -> Watched:
    """One of the frames of a file that were inverted."""
    return Watched(
        file=path.name,
        frame=int(estimates.frames[row]),
        radius_nm=round(float(estimates.particles.radius[row]), 3),
        orientation=tuple(round(float(part), 6) for part in estimates.particles.orientation[row]),
        agreement=round(float(estimates.agreement[row]), 4),
        score=None if estimates.score is None else round(float(estimates.score[row]), 4),
        flags=tuple(flag_names(int(estimates.flags[row]))),
    )
