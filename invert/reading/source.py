"""An open file with measured frames, which come in batches: no stack is too large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.reading.centring import MOST_FRAMES, estimated_center
from invert.reading.defects import FEWEST
from invert.reading.doubts import Doubts, doubts
from invert.reading.frames import Frames
from invert.reading.instrument import read_instruments
from invert.reading.options import ESTIMATE, HIDE, Reading, parse_center
from invert.reading.resample import Resampling, resampling, stated_grid
from invert.reading.sample import read_simulation, read_truth
from invert.reading.stored import SAMPLED, StoredFrames, damage
from msft.detector import Detector
from msft.errors import ParameterError
from msft.particle import Particles
from msft.turns import turn


class Portion(NamedTuple):
    """Frames that are read together: their numbers, and the rows of those that are kept; None for all."""

    numbers: range
    kept: NDArray[np.intp] | None = None


class FrameSource:
    """Frames of an open file; use `open_frames`.

    Attributes
    ----------
    reading
        How it is read, with what was found out: another process that opens it so reads the same.
    found
        Which arrays they are.
    instrument
        What is known of the light and the detector.
    scale
        ``linear`` or ``log``.
    notes
        What was decided about the frames, in words; those that begin with ``warning`` need a look.
    """

    def __init__(self, path: Path, file: h5py.File, reading: Reading) -> None:
        self.path, self._file = path, file
        self._stored = StoredFrames(file, path, reading)
        self._stack, self.found, self.scale = self._stored.stack, self._stored.found, self._stored.scale
        self.notes = [*self._stored.notes]
        self.instrument, self._disagreement = read_instruments(
            file, self.found.names, reading.instrument, self.notes
        )
        self.reading = replace(reading, scale=self.scale)
        self._simulation = read_simulation(file)
        self._resampling: Resampling | None = None
        self._compared: tuple[Detector, float] | None = None
        self._center_note = ""
        if reading.center == ESTIMATE:
            self._estimate_center()
        elif reading.center is not None:
            self.instrument = replace(self.instrument, center=parse_center(reading.center, self._stack.size))

    def __len__(self) -> int:
        """The number of frames."""
        return len(self._stack)

    @property
    def title(self) -> str:
        """The file and the arrays in it, as every frame names its source."""
        return f"{self.path.name}:{self.found.title}"

    @property
    def state(self) -> tuple[int, int]:
        """By which a file that has changed is told: bytes, and time of the last change in ns."""
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a frame as it will be read."""
        return self._stack.size if self._resampling is None else self._resampling.target.size

    @property
    def block(self) -> int:
        """Frames that are best read at a time."""
        return self._stack.block

    @property
    def warnings(self) -> list[str]:
        """Those of the notes that need a look."""
        return [note for note in self.notes if note.startswith("warning")]

    def onto(self, detector: Detector, wavelength: float) -> None:
        """From here on read frames on the pixels of a model's detector, at its wavelength in nm.

        Frames of another size, whose centre nobody knows, are centred by their symmetry.

        Raises
        ------
        ParameterError
            See `invert.reading.resample.resampling` and `agree`.
        """
        self.agree()
        other_size = self._stack.size != (detector.pixels, detector.pixels)
        if self.instrument.center is None and other_size:
            # whether they can be brought there at all comes first
            resampling(replace(self.instrument, center=None), self._stack.size, detector, wavelength)
            self._estimate_center()
        self.doubt(detector, wavelength)
        found, notes = resampling(self.instrument, self._stack.size, detector, wavelength)
        self.notes += [self.instrument.line(), *notes]
        self._resampling = found

    def agree(self) -> None:
        """Refuse arrays of which the file says that they were not recorded alike; to labels that is all one.

        Raises
        ------
        ParameterError
            If light, pixels or distance differ.
        """
        if self._disagreement is not None:
            raise self._disagreement

    def truth(self, numbers: NDArray[np.int64]) -> Particles | None:
        """The particles that successive frames show, if the file is a simulation."""
        with turn():
            return read_truth(self._file, slice(int(numbers[0]), int(numbers[-1]) + 1), len(numbers))

    def refresh(self) -> None:
        """Look how many frames a writer has added."""
        before = len(self)
        self._stack.refresh()
        if self._compared is not None and before < FEWEST <= len(self):
            self._center_note = ""  # frames were read about that centre: it stays
            compared, self._compared = self._compared, None
            self.doubt(*compared)

    def as_stored(self, wanted: range) -> NDArray[np.float32]:
        """Some frames with the pixels that they have in the file; NaN where it does not give them."""
        return self._stored.read(np.asarray(wanted, dtype=np.int64)).images

    def portions(
        self, rows: slice = slice(None), first: int = 0, at_once: int | None = None
    ) -> Iterator[Portion]:
        """The frames `rows` without the first few, in portions that fit into memory.

        Each has `at_once` frames if they fit; by default as many as are best read.
        """
        wanted = range(*rows.indices(len(self)))[first:]
        size = min(at_once or self.block, self._stack.fitting)
        for start in range(0, len(wanted), size):
            yield Portion(wanted[start : start + size])

    def take(self, portion: Portion) -> Frames:
        """The frames of a portion, see `read`."""
        frames = self.read(portion.numbers)
        return frames if portion.kept is None else frames.part(portion.kept)

    def read(self, wanted: range) -> Frames:
        """Some frames; one that the file does not give has no valid pixel.

        Raises
        ------
        ParameterError
            If a mask has another size than the frames.
        """
        numbers = np.asarray(wanted, dtype=np.int64)
        with damage(self.path):
            images, valid, readable = self._stored.read(numbers)
        in_place = self._resampling is None
        if self._resampling is not None:
            images, valid = self._resampling(images, valid, self.scale)
        return Frames(
            images=images,
            valid=valid,
            scale=self.scale,
            numbers=numbers,
            source=self.title,
            wavelength=self.instrument.wavelength,
            q_step=self.instrument.q_step if in_place else None,
            geometry=self.instrument.geometry if in_place else None,
            truth=self.truth(numbers),
            simulation=self._simulation if in_place else None,
            center=self.instrument.center if in_place else None,
            readable=readable,
            pixel_size=self.instrument.pixel_size if in_place else None,
            distance=self.instrument.distance if in_place else None,
        )

    def doubt(self, detector: Detector, wavelength: float) -> None:
        """Tell among the notes what looks wrong with the first frames; see `invert.reading.doubts`.

        From here on pixels that mislead do not count, unless `reading` says otherwise; a centre that was
        estimated with them is estimated again. Of logarithms nobody knows the base: there nothing is looked
        for. The detector and the wavelength in nm are those of what the frames are compared with; what the
        frames know of theirs wins. Of few frames nothing is known for good: once there are more, as in a file
        that grows, they are looked at again.
        """
        if self._compared is not None or self._stored.hidden is not None or self.scale == "log":
            return
        self._compared = detector, wavelength
        hiding, enough = self.reading.defects == HIDE, len(self) >= FEWEST
        found = self._doubts(detector, wavelength, hiding)
        if self._center_note and hiding and found.misleading.any():
            self.notes.remove(self._center_note)
            self._stored.hidden = found.misleading
            self._estimate_center()
            # what lies inside the Ewald sphere is another question now
            self._stored.hidden = None
            found = self._doubts(detector, wavelength, hiding)
        self.notes += found.notes
        if enough:
            self._stored.hidden = found.misleading if hiding else np.zeros_like(found.misleading)
            self.reading = replace(self.reading, hidden=self._stored.hidden)

    def _doubts(self, detector: Detector, wavelength: float, hiding: bool) -> Doubts:
        inside = np.ones(self._stack.size, dtype=bool)
        with suppress(ParameterError):  # one that nobody knows is refused elsewhere
            inside = stated_grid(self.instrument, inside.shape, detector, 2 * math.pi / wavelength).inside
        with damage(self.path):
            return doubts(self._stored.telling(SAMPLED), inside, hiding)

    def _estimate_center(self) -> None:
        most = min(MOST_FRAMES, self._stack.block)
        images, valid = map(np.stack, zip(*self._stored.telling(most), strict=True))
        found = estimated_center(images, valid, self.scale)
        self.instrument = replace(self.instrument, center=found.center)
        self.reading = replace(self.reading, center="{!r},{!r}".format(*found.center))
        self._center_note = found.note(self._stack.size)
        self.notes.append(self._center_note)
