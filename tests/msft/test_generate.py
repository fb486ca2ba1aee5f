"""Datasets of random particles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from msft.dataset import open_patterns
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.workers import BATCH, batches

SMALL = Simulation(detector=EwaldDetector(pixels=12, q_step=0.07))


def patterns(path: Path) -> NDArray[np.float32]:
    with h5py.File(path) as file:
        return np.asarray(file["entry_1/data_1/data"][:])


def test_a_pattern_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    for count in (3, BATCH + 5):
        generate(tmp_path / f"{count}.h5", count, seed=4, simulation=SMALL)
    few, many = patterns(tmp_path / "3.h5"), patterns(tmp_path / f"{BATCH + 5}.h5")
    np.testing.assert_array_equal(few, many[:3])
    assert len(np.unique(many.reshape(len(many), -1), axis=0)) == len(many)
    generate(tmp_path / "other.h5", 3, seed=5, simulation=SMALL)
    assert not np.isclose(patterns(tmp_path / "other.h5")[:, 6, 6], few[:, 6, 6], rtol=1e-3).any()


def test_back_ends_give_the_same_dataset_to_their_tolerance(tmp_path: Path) -> None:
    numpy = Simulation(detector=SMALL.detector, backend="numpy")
    generate(tmp_path / "numba.h5", 4, simulation=SMALL)
    generate(tmp_path / "numpy.h5", 4, simulation=numpy)
    compiled, plain = patterns(tmp_path / "numba.h5"), patterns(tmp_path / "numpy.h5")
    peak = plain.max(axis=(1, 2), keepdims=True)
    assert (np.abs(compiled - plain) / peak).max() < 1e-5
    with open_patterns(tmp_path / "numba.h5") as one, open_patterns(tmp_path / "numpy.h5") as other:
        np.testing.assert_array_equal(one.particles.radius, other.particles.radius)
        np.testing.assert_array_equal(one.particles.orientation, other.particles.orientation)


def test_each_pattern_shows_the_particle_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    generate(path, 5, seed=1, simulation=SMALL, distribution=ParticleDistribution((40.0, 50.0)))
    with h5py.File(path) as file:
        radius = file["entry_1/sample_1/radius"][:] * 1e9
        orientation = file["entry_1/sample_1/orientation"][:]
        stored = file["entry_1/data_1/data"][:]
    assert ((radius >= 40) & (radius <= 50)).all()
    simulation = Simulation(detector=SMALL.detector, backend="numpy")
    for index in range(5):
        expected = simulation.intensity(Particles(radius[index], orientation[index]))[0]
        np.testing.assert_allclose(stored[index], expected, atol=1e-5 * expected.max())


def test_progress_counts_every_pattern(tmp_path: Path) -> None:
    seen: list[int] = []
    generate(tmp_path / "d.h5", BATCH + 1, simulation=SMALL, progress=seen.append)
    assert [done for done in seen if done] == [BATCH, 1]


@pytest.mark.parametrize(("pixels", "size"), [(64, 64), (128, 64), (512, 4), (1024, 1), (4096, 1)])
def test_batches_of_large_patterns_are_small(pixels: int, size: int) -> None:
    parts = list(batches(range(7, 107), pixels))
    assert [row for part in parts for row in part] == list(range(7, 107))
    assert len(parts[0]) == max(len(part) for part in parts) == size


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("replacing", [False, True])
def test_a_failure_midway_keeps_what_was_there_and_what_was_done(
    tmp_path: Path, error: type[BaseException], replacing: bool
) -> None:
    path = tmp_path / "d.h5"
    if replacing:
        path.write_bytes(b"precious")

    def fail(done: int) -> None:
        if done:
            raise error

    with pytest.raises(error):
        generate(path, 3 * BATCH, simulation=SMALL, force=replacing, progress=fail)
    assert path.exists() == replacing
    if replacing:
        assert path.read_bytes() == b"precious"
    # the same call finishes it, and begins with what the first one had
    seen: list[int] = []
    generate(path, 3 * BATCH, simulation=SMALL, force=replacing, resume=replacing, progress=seen.append)
    assert seen[1] >= BATCH
    assert sum(seen) == 3 * BATCH
    generate(tmp_path / "whole.h5", 3 * BATCH, simulation=SMALL)
    np.testing.assert_array_equal(patterns(path), patterns(tmp_path / "whole.h5"))
    assert sorted(place.name for place in tmp_path.iterdir()) == ["d.h5", "whole.h5"]


def test_a_file_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    path.write_bytes(b"precious")
    with pytest.raises(ParameterError) as caught:
        generate(path, 2, simulation=SMALL)
    assert caught.value.field == "out"
    assert path.read_bytes() == b"precious"
    generate(path, 2, simulation=SMALL, force=True)
    assert len(patterns(path)) == 2


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("n", {"count": 0}),
        ("n", {"count": -3}),
        ("seed", {"seed": -1}),
        ("solver", {"distribution": ParticleDistribution(body="sphere")}),
        (
            "radius",
            {"distribution": ParticleDistribution((30.0, 400.0)), "simulation": Simulation(solver="slices")},
        ),
        ("q_step", {"simulation": Simulation(detector=EwaldDetector(q_step=0.1), solver="slices")}),
        ("out", {"path": Path("no/such/folder/d.h5")}),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, arguments: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    call: Any = generate
    with pytest.raises(ParameterError) as caught:
        call(**({"path": Path("d.h5"), "count": 2} | arguments))
    assert caught.value.field == field
    assert list(tmp_path.iterdir()) == []


def test_provenance_is_enough_to_make_the_file_again(tmp_path: Path) -> None:
    optics = Optics(absorption="intensity", absorption_length=20)
    simulation = Simulation(optics, SMALL.detector, precision="double")
    generate(tmp_path / "a.h5", 3, seed=9, simulation=simulation, command="msft generate --n 3")
    with open_patterns(tmp_path / "a.h5") as dataset:
        assert dataset.simulation == simulation
        assert dataset.provenance["seed"] == 9
        assert dataset.provenance["command"] == "msft generate --n 3"
        again = dataset.simulation
    generate(tmp_path / "b.h5", 3, seed=9, simulation=again)
    np.testing.assert_array_equal(patterns(tmp_path / "a.h5"), patterns(tmp_path / "b.h5"))
