"""From frames to estimates: what is written agrees with what is known."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from augment import log_scale
from invert import checkpoint, predictions
from invert.estimate import FLAGS, Inversion
from invert.fitting.forward import FLOORS
from invert.frames import Frames, read_frames
from invert.metrics import errors
from invert.model import VIEWS
from invert.predict import predict
from msft.dataset import open_patterns
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("held") / "exp.h5"
    generate(path, 40, 99, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


@pytest.fixture(scope="module")
def inverted(held_out: Path, small_model: Path) -> tuple[Inversion, Frames]:
    frames = read_frames(held_out)
    return predict(checkpoint.load(small_model), frames), frames


def test_estimates_are_near_the_truth_and_agree_with_the_frames(inverted: tuple[Inversion, Frames]) -> None:
    prediction, frames = inverted
    assert frames.truth is not None
    result = errors(prediction.estimates.particles, frames.truth, (40.0, 80.0))
    assert np.median(result.orientation) < 10
    assert np.median(prediction.estimates.agreement) > 0.9
    assert (prediction.estimates.flags == 0).mean() > 0.9


def test_agreement_is_the_correlation_over_valid_pixels(inverted: tuple[Inversion, Frames]) -> None:
    prediction, _ = inverted
    # a picture that was clipped to [0, 1] says nothing of the agreement, which was not
    whole = ((prediction.resimulated > 0) & (prediction.resimulated < 1)).all(axis=(1, 2))
    assert whole.sum() > 10
    for row in np.flatnonzero(whole):
        first, second, valid = (
            images[row] for images in (prediction.measured, prediction.resimulated, prediction.valid)
        )
        expected = np.corrcoef(first[valid], second[valid])[0, 1]
        assert prediction.estimates.agreement[row] == pytest.approx(expected, abs=2e-6)
        assert valid.all()  # this small detector lies wholly inside the Ewald sphere


def test_the_resimulated_pattern_is_that_of_the_estimate(inverted: tuple[Inversion, Frames]) -> None:
    prediction, _ = inverted
    intensity = SMALL.intensity(prediction.estimates.particles[:1])[0]
    ratio = intensity / intensity.max()
    picture = prediction.resimulated[0]
    inside = (picture > 0) & (picture < 1)
    # with the frame's contrast and offset, above the floor that fits best
    likeness = [np.corrcoef(picture[inside], np.log1p(10**f * ratio[inside]))[0, 1] for f in FLOORS]
    assert max(likeness) == pytest.approx(1, abs=1e-6)
    assert picture.mean() == pytest.approx(prediction.measured[0].mean(), abs=1e-3)


def test_a_constant_image_has_no_correlation_and_is_flagged(small_model: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        file["data"] = np.zeros((2, 32, 32), dtype=np.float32)
    prediction = predict(checkpoint.load(small_model), read_frames(tmp_path / "exp.h5"))
    assert (prediction.estimates.agreement == 0).all()
    assert (prediction.estimates.flags & FLAGS["no_signal"] > 0).all()
    assert (prediction.estimates.flags & FLAGS["poor_agreement"] > 0).all()
    assert np.isnan(prediction.estimates.radius_sigma).all()  # what stands beside them means nothing
    assert np.isnan(prediction.estimates.orientation_sigma).all()


def test_masked_pixels_change_nothing(small_model: Path, held_out: Path, tmp_path: Path) -> None:
    with open_patterns(held_out) as patterns:
        images = patterns.patterns(slice(0, 4))
    bits = np.zeros((32, 32), dtype=np.uint32)
    bits[14:19, 14:19] = 1
    results = []
    for value in (0.0, 1e30, np.nan):
        images[:, 14:19, 14:19] = value
        with h5py.File(tmp_path / "exp.h5", "w") as file:
            file["entry_1/data_1/data"], file["entry_1/data_1/mask"] = images, bits
        estimates = predict(checkpoint.load(small_model), read_frames(tmp_path / "exp.h5")).estimates
        results.append((estimates.particles.orientation, estimates.agreement))
    for orientation, agreement in results[1:]:
        assert np.array_equal(orientation, results[0][0])
        assert np.array_equal(agreement, results[0][1])


def test_a_masked_hole_in_a_linear_frame_is_what_the_network_was_trained_on(
    small_model: Path, held_out: Path, tmp_path: Path
) -> None:
    with open_patterns(held_out) as patterns:
        images, truth = patterns.patterns(slice(None)), patterns.particles
    y, x = np.indices((32, 32)) - 16
    hole = y**2 + x**2 <= 2**2
    with h5py.File(tmp_path / "linear.h5", "w") as file:
        file["entry_1/data_1/data"] = images
        file["entry_1/data_1/mask"] = hole.astype(np.uint32)
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["entry_1/data_1/data"] = log_scale(torch.from_numpy(images)).numpy() * ~hole
        file["entry_1/data_1/data"].attrs["scale"] = "log"
    loaded = checkpoint.load(small_model)
    linear, log = (predict(loaded, read_frames(tmp_path / name)) for name in ("linear.h5", "log.h5"))
    assert np.allclose(linear.estimates.particles.radius, log.estimates.particles.radius, rtol=1e-3)
    assert len(linear.estimates) == len(truth)
    # the re-simulated pattern saturates in the hole at the brightest pixel that was compared
    brightest = linear.resimulated[:, ~hole].max(axis=1)
    assert linear.resimulated[:, 16, 16] == pytest.approx(brightest)


def test_files_hold_the_contract(inverted: tuple[Inversion, Frames], tmp_path: Path) -> None:
    prediction, frames = inverted
    predictions.write_predictions(
        tmp_path / "p.h5", prediction, frames, {"weights_sha256": "0123"}, "typical"
    )
    with h5py.File(tmp_path / "p.h5") as file:
        result = file["/entry_1/result_1"]
        count = len(prediction.estimates)
        shapes = {
            "quaternion": (count, 4),
            "radius": (count,),
            "orientation_sigma": (count,),
            "radius_sigma": (count,),
            "agreement": (count,),
            "flags": (count,),
            "frame": (count,),
            "source": (count,),
            "patterns_used": (count,),
            "measured": (count, 32, 32),
            "resimulated": (count, 32, 32),
        }
        assert {name: result[name].shape for name in shapes} == shapes
        assert result["flags"].dtype == np.uint32
        assert result["radius"][:] == pytest.approx(prediction.estimates.particles.radius * 1e-9)
        assert file["/entry_1/process_1"].attrs["weights_sha256"] == "0123"
    predictions.write_table(tmp_path / "p.csv", prediction.estimates)
    with (tmp_path / "p.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == count
    assert float(rows[3]["radius_nm"]) == pytest.approx(prediction.estimates.particles.radius[3], abs=1e-3)


def test_orientations_are_offered_as_numpy_quaternions(inverted: tuple[Inversion, Frames]) -> None:
    quaternion = pytest.importorskip("quaternion")
    estimates = inverted[0].estimates
    matrices = quaternion.as_rotation_matrix(estimates.quaternions)
    assert matrices.shape == (len(estimates), 3, 3)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("frames", {"data": np.zeros((2, 64, 64))}),
        ("wavelength", {"data": np.zeros((2, 32, 32)), "entry_1/instrument_1/source_1/energy": 500.0}),
        ("geometry", {"data": np.zeros((2, 32, 32)), "entry_1/instrument_1/detector_1/geometry": "flat"}),
        ("wavelength", {"data": np.zeros((2, 32, 32)), "entry_1/instrument_1/source_1/wavelength": 20e-9}),
        ("q_step", {"data": np.zeros((2, 32, 32)), "entry_1/instrument_1/detector_1/q_step": 7.39e6}),
    ],
)
def test_frames_of_another_instrument_are_refused(
    small_model: Path, tmp_path: Path, field: str, values: dict[str, object]
) -> None:
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        for place, value in values.items():
            file[place] = value
    with pytest.raises(ParameterError) as caught:
        predict(checkpoint.load(small_model), read_frames(tmp_path / "exp.h5"))
    assert caught.value.field == field


def test_no_more_pixels_pass_the_network_at_a_time_than_of_the_papers_images(small_model: Path) -> None:
    model = checkpoint.load(small_model).model
    passed: list[int] = []
    model.backbone.register_forward_hook(lambda layer, given, result: passed.append(given[0].numel()))
    model.seen(torch.rand(10, 256, 256))  # with gradients: without, a folded network answers
    assert sum(passed) >= 10 * 256**2
    assert max(passed) <= VIEWS["cpu"] * 128**2
