"""Forward fits of a file, a few frames at a time: killed runs go on, and what is bad costs no other frame."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from invert.estimate import FLAGS
from invert.fitting.fit import MonteCarloSimplex, fit
from invert.fitting_inverter import AT_ONCE, FittingInverter
from invert.frames import Frames, FrameSource, Reading, open_frames, read_frames
from invert.stream import Streamed, invert_stream
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL
from .test_reading import damaged
from .test_stream import columns

SEARCH = MonteCarloSimplex(2, 4, (40.0, 80.0), polished=False)
COUNT = 11

WORKER = """
import sys
from pathlib import Path
import invert.stream
from tests.invert.test_fitting_inverter import fit_to
invert.stream.COMMIT_SECONDS = 0.0
fit_to(Path(sys.argv[1]), Path(sys.argv[2]), lambda n: print(n, flush=True))
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitting") / "exp.h5"
    generate(path, COUNT, 5, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


def fit_to(path: Path, out: Path, progress: Callable[[int], None], seed: int = 0) -> Streamed:
    inverter = FittingInverter(SMALL, ["icosahedron"], SEARCH, seed)
    with open_frames(path, Reading(scale="linear")) as source:
        inverter.adjust(source)
        return invert_stream(source, slice(None), inverter, out, {}, {}, progress)


def test_portions_give_what_all_frames_at_once_give(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, sizes = FrameSource.read, list[int]()

    def counted(source: FrameSource, wanted: range) -> Frames:
        sizes.append(len(wanted))
        return read(source, wanted)

    monkeypatch.setattr(FrameSource, "read", counted)
    told = list[int]()
    assert fit_to(frames, tmp_path / "p.h5", told.append).before == 0
    assert max(sizes) == AT_ONCE < COUNT
    assert sum(told) == COUNT
    monkeypatch.undo()
    expected = fit(read_frames(frames), SMALL, "icosahedron", SEARCH).estimates
    found = columns(tmp_path / "p.h5")
    assert np.array_equal(found["quaternion"], expected.particles.orientation)
    assert np.array_equal(found["agreement"], expected.agreement)
    assert found["frame"].tolist() == list(range(COUNT))


def test_a_killed_fit_goes_on_and_gives_the_same(frames: Path, tmp_path: Path) -> None:
    out, undisturbed = tmp_path / "p.h5", tmp_path / "q.h5"
    fit_to(frames, undisturbed, lambda done: None)
    arguments = [sys.executable, "-c", WORKER, str(frames), str(out)]
    done = 0
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done += int(line)
            if done > 2 * AT_ONCE:  # two portions were handed on, so the one before them is committed
                process.send_signal(signal.SIGKILL)
                break
    assert not out.exists()
    again = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert AT_ONCE <= int(again.stdout.splitlines()[0]) < COUNT, "what was done before is reported at once"
    for name, column in columns(undisturbed).items():
        assert np.array_equal(columns(out)[name], column, equal_nan=True), name


def test_what_another_search_left_is_begun_anew(frames: Path, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        told.append(done)
        if sum(told) > 2 * AT_ONCE:
            raise KeyboardInterrupt

    told = list[int]()
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        fit_to(frames, tmp_path / "p.h5", stop)
    assert fit_to(frames, tmp_path / "p.h5", lambda done: None, seed=1).before == 0


def test_what_was_fitted_with_another_body_of_the_same_file_is_begun_anew(tmp_path: Path) -> None:
    cube = tmp_path / "body.txt"
    normals = [[*(sign * axis), 1.0] for axis in np.eye(3) for sign in (-1, 1)]
    np.savetxt(cube, normals)
    inverter = FittingInverter(SMALL, [str(cube)], SEARCH)
    before = inverter.identity
    assert inverter.identity == before
    np.savetxt(cube, np.array(normals) * [1, 1, 1, 0.5] + [0, 0, 0, 0.1])
    assert inverter.identity != before


def test_bad_frames_are_flagged_and_the_others_stay(frames: Path, tmp_path: Path) -> None:
    """All of the first portion is dark, and told among what is done once there is a good frame."""
    with h5py.File(frames) as file:
        images = file["/entry_1/data_1/data"][:]
        images[:AT_ONCE] = 0
        damaged(tmp_path / "a.h5", images, [5, 8])
    told = list[int]()
    fit_to(tmp_path / "a.h5", tmp_path / "p.h5", told.append)
    assert sum(told) == COUNT
    flags = columns(tmp_path / "p.h5")["flags"]
    assert (flags[[0, 1, 2, 3, 5, 8]] & FLAGS["no_signal"] > 0).all()
    assert np.flatnonzero(flags & FLAGS["unreadable"]).tolist() == [5, 8]
    assert (flags[[4, 6, 7, 9, 10]] & FLAGS["no_signal"] == 0).all()


def test_nothing_is_left_where_no_frame_can_be_fitted(frames: Path, tmp_path: Path) -> None:
    with h5py.File(frames) as file, h5py.File(tmp_path / "dark.h5", "w") as dark:
        dark["data"] = 0 * file["/entry_1/data_1/data"][:]

    def never(done: int) -> None:
        raise AssertionError("progress without a frame to fit")

    with pytest.raises(ParameterError, match="frame: got 0 in every valid pixel"):
        fit_to(tmp_path / "dark.h5", tmp_path / "p.h5", never)
    assert [path.name for path in tmp_path.iterdir()] == ["dark.h5"]
