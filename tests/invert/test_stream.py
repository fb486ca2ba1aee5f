"""Frames through a network, batch by batch: killed runs go on, and what is bad costs no other frame."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from invert import checkpoint, quality
from invert.estimate import FLAGS, flag_names
from invert.fitting.refine import Refinement
from invert.frames import Reading, open_frames, read_frames
from invert.network_inverter import NetworkInverter
from invert.predict import predict
from invert.predictions import open_predictions
from invert.stream import invert_stream
from invert.table import lines
from msft.detector import PAPER_Q_STEP, FlatDetector
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution, Particles
from tests.full_disk import FullDisk

from .conftest import SMALL
from .test_reading import damaged

WORKER = """
import sys
from pathlib import Path
import invert.stream
from invert import checkpoint
from invert.frames import open_frames
from invert.network_inverter import NetworkInverter
invert.stream.COMMIT_SECONDS = 0.0
with open_frames(Path(sys.argv[1])) as source:
    invert.reading.stack.ImageStack.block = 4
    inverter = NetworkInverter(checkpoint.load(Path(sys.argv[2])))
    invert.stream.invert_stream(
        source, slice(None), inverter, Path(sys.argv[3]), {}, {}, lambda n: print(n, flush=True)
    )
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "exp.h5"
    generate(path, 60, 5, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


def columns(path: Path) -> dict[str, NDArray[Any]]:
    with h5py.File(path) as file:
        result = file["/entry_1/result_1"]
        names = (
            "quaternion",
            "radius",
            "agreement",
            "score",
            "flags",
            "frame",
            "measured",
            "resimulated",
            "mask",
        )
        return {name: result[name][:] for name in names}


def invert_to(path: Path, out: Path, model: Path, rows: slice = slice(None), refine: bool = False) -> int:
    refinement = Refinement((40.0, 80.0), patterns=40, starts=1, free_beam=False) if refine else None
    with open_frames(path, Reading(scale="linear")) as source:
        return invert_stream(
            source, rows, NetworkInverter(checkpoint.load(model), refinement), out, {}, {}
        ).before


def test_batches_give_what_all_frames_at_once_give(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invert.reading.stack.ImageStack.block", 7)
    invert_to(frames, tmp_path / "p.h5", small_model, slice(2, 50))
    found = columns(tmp_path / "p.h5")
    at_once = predict(checkpoint.load(small_model), read_frames(frames, rows=slice(2, 50)))
    assert found["frame"].tolist() == list(range(2, 50))
    assert np.allclose(found["radius"], at_once.estimates.particles.radius * 1e-9, rtol=1e-5)
    assert np.allclose(found["agreement"], at_once.estimates.agreement, atol=1e-4)
    # rounded to grey levels; batches differ by rounding, too
    for name, images in (("measured", at_once.measured), ("resimulated", at_once.resimulated)):
        assert np.allclose(found[name], images, rtol=0, atol=0.51 / 4096 if name == "measured" else 1e-3)
        assert np.array_equal(found[name] * 4096, np.rint(found[name] * 4096))
    assert np.array_equal(found["mask"] == 0, at_once.valid)
    assert list(tmp_path.iterdir()) == [tmp_path / "p.h5"]


def test_threads_that_compress_change_nothing(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invert.reading.stack.ImageStack.block", 25)
    invert_to(frames, tmp_path / "alone.h5", small_model)
    monkeypatch.setattr("invert.stream.beside_gpu", lambda device, count: ThreadPoolExecutor(3))
    monkeypatch.setattr("msft.compression.PART", 4)
    invert_to(frames, tmp_path / "beside.h5", small_model)
    alone, beside = columns(tmp_path / "alone.h5"), columns(tmp_path / "beside.h5")
    assert len(alone["mask"]) == 60
    for name, column in alone.items():
        assert np.array_equal(beside[name], column, equal_nan=True), name


def test_a_killed_run_goes_on_and_gives_the_same(frames: Path, small_model: Path, tmp_path: Path) -> None:
    out, undisturbed = tmp_path / "p.h5", tmp_path / "q.h5"
    arguments = [sys.executable, "-c", WORKER, str(frames), str(small_model)]
    subprocess.run([*arguments, str(undisturbed)], check=True, capture_output=True)
    process = subprocess.Popen([*arguments, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    done = 0
    for line in process.stdout:
        done += int(line)
        if done >= 20:
            process.send_signal(signal.SIGKILL)
            break
    process.wait(60)
    assert not out.exists()
    assert (tmp_path / "p.h5.partial").exists()
    again = subprocess.run([*arguments, str(out)], check=True, capture_output=True, text=True)
    first = int(again.stdout.splitlines()[0])
    assert 8 <= first < 60, "what was done before is reported at once"
    for name, column in columns(undisturbed).items():
        assert np.array_equal(columns(out)[name], column, equal_nan=True), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.h5", "q.h5"]


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
@pytest.mark.parametrize("threads", [0, 2])
def test_a_full_disk_is_one_line_and_loses_nothing(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, threads: int
) -> None:
    monkeypatch.setattr("invert.reading.stack.ImageStack.block", 8)
    monkeypatch.setattr("invert.stream.COMMIT_SECONDS", 0.0)
    if threads:
        monkeypatch.setattr("invert.stream.beside_gpu", lambda device, count: ThreadPoolExecutor(threads))
    many = 10**6
    disk = FullDisk(call, many)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, disk)
        invert_to(frames, tmp_path / "undisturbed.h5", small_model)
        disk.left = (many - disk.left) * 2 // 3
        with pytest.raises(OSError, match=r"No space left on device; what is done is kept") as caught:
            invert_to(frames, tmp_path / "p.h5", small_model)
        with pytest.raises(OSError, match="No space left on device"):  # nor while it stays full
            invert_to(frames, tmp_path / "p.h5", small_model)
    assert caught.value.errno == errno.ENOSPC
    assert invert_to(frames, tmp_path / "p.h5", small_model) >= 8
    found = columns(tmp_path / "p.h5")
    for name, column in columns(tmp_path / "undisturbed.h5").items():
        assert np.array_equal(found[name], column, equal_nan=True), name


def test_what_other_frames_or_weights_left_is_begun_anew(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invert.reading.stack.ImageStack.block", 8)
    monkeypatch.setattr("invert.stream.COMMIT_SECONDS", 0.0)

    class Stopped(BaseException):
        pass

    def stop_after(count: int) -> None:
        done = 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            if done >= count:
                raise Stopped

        inverter = NetworkInverter(checkpoint.load(small_model))
        with open_frames(frames) as source, pytest.raises(Stopped):
            invert_stream(source, slice(None), inverter, tmp_path / "p.h5", {"a": 1}, {}, progress)

    stop_after(24)
    with open_frames(frames) as source:
        inverter = NetworkInverter(checkpoint.load(small_model))
        assert invert_stream(source, slice(None), inverter, tmp_path / "p.h5", {"a": 2}, {}).before == 0
        assert source.warnings[-1].startswith("warning: 16 frames in p.h5.partial were of other options")
    stop_after(24)
    journal = tmp_path / "p.h5.partial.journal"
    journal.write_bytes(journal.read_bytes()[:-1])
    with open_frames(frames) as source:
        assert invert_stream(source, slice(None), inverter, tmp_path / "p.h5", {"a": 1}, {}).before == 0
    stop_after(24)
    with open_frames(frames) as source:
        assert invert_stream(source, slice(None), inverter, tmp_path / "p.h5", {"a": 1}, {}).before == 16
    assert columns(tmp_path / "p.h5")["frame"].tolist() == list(range(60))


def test_forward_fits_that_a_killed_run_left_are_kept_where_others_are_begun(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invert.stream.COMMIT_SECONDS", 0.0)
    refinement = Refinement((40.0, 80.0), patterns=40, starts=1, free_beam=False)
    fitting, done = NetworkInverter(checkpoint.load(small_model), refinement), 0

    def stop(more: int) -> None:
        nonlocal done
        done += more
        if done >= 32:
            raise KeyboardInterrupt

    with open_frames(frames) as source, pytest.raises(KeyboardInterrupt):
        invert_stream(source, slice(None), fitting, tmp_path / "p.h5", {}, {}, stop)
    with open_frames(frames) as source:
        network = NetworkInverter(checkpoint.load(small_model))
        assert invert_stream(source, slice(8), network, tmp_path / "p.h5", {}, {}).before == 0
        assert "; the forward fits among them are kept as p.1.h5" in source.warnings[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.1.h5", "p.h5"]
    with open_predictions(tmp_path / "p.1.h5") as kept, open_predictions(tmp_path / "p.h5") as new:
        assert not kept.complete
        assert len(kept) >= 16
        assert (kept.estimates().patterns_used > 1).all()
        assert (new.estimates().patterns_used == 1).all()


@pytest.mark.parametrize("refine", [False, True])
def test_bad_frames_are_flagged_and_the_others_stay(
    small_model: Path, frames: Path, tmp_path: Path, refine: bool
) -> None:
    with h5py.File(frames) as file:
        stack = file["/entry_1/data_1/data"][:6]
    spoilt = stack.copy()
    spoilt[1], spoilt[4] = 0.0, np.nan
    damaged(tmp_path / "a.h5", spoilt, [2])
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["data"] = stack
    for name in ("a", "good"):
        invert_to(tmp_path / f"{name}.h5", tmp_path / f"{name}.p.h5", small_model, refine=refine)
    found, good = columns(tmp_path / "a.p.h5"), columns(tmp_path / "good.p.h5")
    flags = [set(flag_names(int(bits))) for bits in found["flags"]]
    assert "unreadable" in flags[2]
    assert "no_signal" in flags[1] & flags[2] & flags[4]
    assert (found["agreement"][[1, 2, 4]] == 0).all()
    with open_predictions(tmp_path / "a.p.h5") as predictions:
        shown = [line.split() for line in lines(predictions.estimates(), None)[1:]]
    assert [line[1] == "0.000" for line in shown] == [row in (1, 2, 4) for row in range(6)], "no radius"
    for name in ("radius", "quaternion", "agreement", "resimulated"):
        assert np.allclose(found[name][[0, 3, 5]], good[name][[0, 3, 5]], rtol=1e-5, atol=1e-5), name


def test_nothing_is_left_where_no_frame_can_be_read(small_model: Path, frames: Path, tmp_path: Path) -> None:
    with h5py.File(frames) as file:
        damaged(tmp_path / "a.h5", file["/entry_1/data_1/data"][:3], [0, 1, 2])
    with pytest.raises(ParameterError, match="damaged"):
        invert_to(tmp_path / "a.h5", tmp_path / "p.h5", small_model)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.h5"]


def test_what_no_particle_explains_has_a_low_score(small_model: Path, tmp_path: Path) -> None:
    """A small network; the ROC with a real one is in benchmarks/records/quality.json."""
    generator = np.random.default_rng(2)
    known = SMALL.intensity(ParticleDistribution((40.0, 80.0)).draw(77, range(24)))
    noise = generator.exponential(1.0, (24, 32, 32)).astype(np.float32)
    q = np.hypot(*(np.indices((32, 32)) - 16)) + 1
    halo = generator.poisson(3e4 * np.broadcast_to(q**-4.0, noise.shape)).astype(np.float32)
    scores = {}
    for name, images in {"known": known, "noise": noise, "halo": halo}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = images
        invert_to(tmp_path / f"{name}.h5", tmp_path / f"{name}.p.h5", small_model)
        found = columns(tmp_path / f"{name}.p.h5")
        scores[name] = found["score"]
        marked = found["flags"] & FLAGS["not_explained"] > 0
        assert (marked == (scores[name] < quality.LEAST_SCORE)).all()
        assert marked.mean() < 0.3 if name == "known" else marked.mean() > 0.9, (name, scores[name])
    # the score's weights were fitted to another network, whose answers are nearer
    assert np.median(scores["known"]) > 0.6


def test_memory_does_not_grow_with_the_stack(small_model: Path, tmp_path: Path) -> None:
    """The largest resident size of a process, for stacks of 40 and of 160 MB."""
    sizes = []
    for count in (40, 160):
        path = tmp_path / f"{count}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("data", (count, 512, 512), "f4", chunks=(1, 512, 512), compression="gzip")
            image = np.random.default_rng(0).lognormal(0, 3, (512, 512)).astype(np.float32)
            for row in range(count):
                file["data"][row] = image
            file["entry_1/instrument_1/detector_1/q_step"] = 2 * PAPER_Q_STEP / 16 * 1e9
        code = (
            "import resource, sys; from pathlib import Path; import invert.reading.stack as stack;"
            "from invert import checkpoint; from invert.frames import open_frames, Reading;"
            "from invert.network_inverter import NetworkInverter; from invert.stream import invert_stream;"
            "stack.BLOCK_BYTES = 2**23;"
            "loaded = checkpoint.load(Path(sys.argv[2])); simulation = loaded.model.configuration.simulation;"
            "context = open_frames(Path(sys.argv[1]), Reading(scale='linear')); source = context.__enter__();"
            "source.onto(simulation.detector, 13.5);"
            "inverter, out = NetworkInverter(loaded), Path(sys.argv[1] + '.p.h5');"
            "invert_stream(source, slice(None), inverter, out, {}, {});"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), str(small_model)],
            capture_output=True,
            text=True,
            check=True,
        )
        sizes.append(int(done.stdout))
    assert sizes[1] - sizes[0] < 40_000, "kB"


def test_predictions_are_read_back_and_others_refused(
    frames: Path, small_model: Path, tmp_path: Path
) -> None:
    invert_to(frames, tmp_path / "p.h5", small_model, slice(0, 5))
    with open_predictions(tmp_path / "p.h5") as predictions:
        assert len(predictions) == 5
        assert predictions.detector == SMALL.detector
        assert predictions.estimates().frames.tolist() == [0, 1, 2, 3, 4]
        assert predictions.images(slice(1, 3))[0].shape == (2, 32, 32)
    for other in (frames, tmp_path / "missing.h5"):
        with pytest.raises(ParameterError, match="predictions"), open_predictions(other):
            pass
    with h5py.File(tmp_path / "p.h5", "a") as file:
        del file["/entry_1/result_1/score"]
    with pytest.raises(ParameterError, match="predictions"), open_predictions(tmp_path / "p.h5"):
        pass


def test_frames_recorded_by_another_detector_are_inverted_as_well(
    frames: Path, small_model: Path, tmp_path: Path
) -> None:
    """What a flat detector sees of the same particles leads to the same answers."""
    particles = ParticleDistribution((40.0, 80.0)).draw(5, range(20))
    flat = FlatDetector(pixels=160, pixel_size=0.4, distance=40.0)
    images = replace(SMALL, detector=flat).intensity(particles)
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["entry_1/data_1/data"] = images
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["x_pixel_size"] = detector["y_pixel_size"] = 0.4e-3
        detector["distance"] = 40e-3
        file["entry_1/data_1/image_center"] = [80.5, 80.5, 0.0]
    loaded = checkpoint.load(small_model)
    with open_frames(tmp_path / "flat.h5") as source:
        source.onto(SMALL.detector, SMALL.optics.wavelength)
        invert_stream(source, slice(None), NetworkInverter(loaded), tmp_path / "p.h5", {}, {})
    invert_to(frames, tmp_path / "q.h5", small_model, slice(0, 20))
    seen, known = columns(tmp_path / "p.h5"), columns(tmp_path / "q.h5")
    assert np.median(abs(seen["radius"] - known["radius"])) < 3e-9
    assert np.median(seen["agreement"]) > 0.9


def test_what_cannot_be_refined_keeps_the_networks_answer(
    frames: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, some = checkpoint.load(small_model), read_frames(frames, rows=slice(0, 4))
    answer = predict(loaded, some)
    flags = np.array([0, 4, 0, 0], dtype=np.uint32)  # the second shows nothing that can be fitted
    fitted = replace(
        answer,
        resimulated=np.zeros_like(answer.resimulated),
        estimates=replace(
            answer.estimates,
            particles=Particles(np.full(4, 55.0), np.tile([1.0, 0, 0, 0], (4, 1)), "icosahedron"),
            flags=flags,
        ),
    )
    monkeypatch.setattr("invert.network_inverter.refine", lambda *given: fitted)
    found = NetworkInverter(loaded, Refinement((40.0, 80.0), patterns=40, starts=1, free_beam=False))(some)
    radius = answer.estimates.particles.radius
    assert found.estimates.particles.radius.tolist() == [55.0, radius[1], 55.0, 55.0]
    assert [bool(flag & FLAGS["not_refined"]) for flag in found.estimates.flags] == [
        False,
        True,
        False,
        False,
    ]
    assert not found.estimates.flags[1] & FLAGS["no_signal"]
    assert np.array_equal(found.resimulated[1], answer.resimulated[1])
    assert (found.resimulated[[0, 2, 3]] == 0).all()
