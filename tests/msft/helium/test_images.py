"""Labelled images of both layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.ndimage

from msft.errors import ParameterError
from msft.generate import generate
from msft.helium.images import open_labelled, rescaled
from msft.helium.labels import NAMES
from msft.particle import ParticleDistribution
from tests.msft.helium.small import DROPLETS, LIGHT, SIMULATION

COUNT = 12


def image(number: int, pixels: int = 90) -> np.ndarray:
    return np.random.default_rng(number).random((pixels, pixels), dtype=np.float32) + number


def labels(number: int) -> list[int]:
    return [int(name in ("oblate", "round")) if number % 3 else int(name == "empty") for name in NAMES]


def write(path: Path, **changes: Any) -> Path:
    """A file as the released one is laid out; entries in an order that is not that of their names."""
    with h5py.File(path, "w") as file:
        for number in range(1, COUNT + 1):
            entry = file.create_group(f"entry_{number}")
            entry["instrument_1/detector_1/data"] = changes.get("image", image)(number)
            entry["note_1/data"] = changes.get("labels", labels)(number)
            entry["instrument_1/source_1/energy"] = changes.get("energy", 20.0 + number) * 1.602176634e-19
            entry["experimental_identifier"] = f"run {number // 4} shot {number}"
        file["cxi_version"] = 140
    return path


@pytest.fixture
def released(tmp_path: Path) -> Path:
    return write(tmp_path / "helium.cxi")


def test_the_released_layout_is_read_in_the_order_of_its_numbers(released: Path) -> None:
    with open_labelled(released) as images:
        assert len(images) == COUNT
        assert images.names == NAMES
        np.testing.assert_array_equal(images.labels, [labels(n) for n in range(1, COUNT + 1)])
        np.testing.assert_allclose(images.energy, 20 + np.arange(1, COUNT + 1), rtol=1e-9)
        assert images.identifiers[9] == "run 2 shot 10"
        # as they are, and in batches: entry_10 does not follow entry_1
        found = np.concatenate([part for _, part in images.batches(5, pixels=90)])
        np.testing.assert_array_equal(found, [image(n) for n in range(1, COUNT + 1)])
        np.testing.assert_array_equal(images.images(np.array([3, 1]), 90), found[[3, 1]])


def test_images_are_rescaled_by_areas(released: Path) -> None:
    with open_labelled(released) as images:
        assert images.images(slice(0, 2)).shape == (2, 224, 224)
        # three pixels become one
        blocks = image(2).reshape(30, 3, 30, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(images.images(slice(1, 2), 30)[0], blocks, rtol=1e-5)


def test_rescaling_keeps_the_mean_and_the_centre() -> None:
    rng = np.random.default_rng(1)
    smooth = scipy.ndimage.gaussian_filter(rng.random((1035, 1035)), 12)
    small = rescaled(smooth, 224)
    assert small.mean() == pytest.approx(smooth.mean(), rel=1e-5)
    # against splines at the centres of the new pixels
    centre = (np.arange(224) + 0.5) * 1035 / 224 - 0.5
    expected = scipy.ndimage.map_coordinates(smooth, np.meshgrid(centre, centre, indexing="ij"), order=3)
    # a shift by half a pixel would be ten times as much
    assert np.abs(small - expected).max() < 0.06 * smooth.std()
    with pytest.raises(ParameterError, match="square"):
        rescaled(smooth[:100], 10)
    with pytest.raises(ParameterError, match="pixels"):
        rescaled(smooth, 0)


def test_one_image_in_a_stack_of_one_is_an_image(tmp_path: Path) -> None:
    with open_labelled(write(tmp_path / "h.cxi", image=lambda n: image(n)[None])) as images:
        np.testing.assert_array_equal(images.images(slice(2, 3), 90)[0], image(3))


def test_energies_in_electronvolt_are_known_as_such(tmp_path: Path) -> None:
    with open_labelled(write(tmp_path / "h.cxi", energy=21.5 / 1.602176634e-19)) as images:
        np.testing.assert_allclose(images.energy, 21.5)


@pytest.mark.parametrize(
    ("changes", "field", "what"),
    [
        ({"labels": lambda n: [0] * 10}, "labels", "note_1"),
        ({"labels": lambda n: [2] * 11}, "labels", "0 or 1"),
        ({"labels": lambda n: "oblate"}, "dataset", "note_1"),
        ({"image": lambda n: image(n)[:50]}, "dataset", "square"),
    ],
)
def test_what_is_no_labelled_image_is_refused(
    tmp_path: Path, changes: dict[str, Any], field: str, what: str
) -> None:
    path = write(tmp_path / "h.cxi", **changes)
    with pytest.raises(ParameterError, match=what) as caught, open_labelled(path) as images:
        images.images(slice(0, 1))
    assert caught.value.field == field


def test_files_without_labels_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["data"] = [1]
    generate(tmp_path / "plain.h5", 2, 0, ParticleDistribution(body="sphere"), SIMULATION)
    for name in ("empty.h5", "plain.h5"):
        with pytest.raises(ParameterError, match="labels"), open_labelled(tmp_path / name):
            pass


def test_simulated_images_read_alike(tmp_path: Path) -> None:
    generate(tmp_path / "h.h5", 6, 2, DROPLETS, SIMULATION, LIGHT)
    with open_labelled(tmp_path / "h.h5") as images, h5py.File(tmp_path / "h.h5") as file:
        data, entry = file["entry_1/data_1/data"], file["entry_1"]
        assert images.names == NAMES
        np.testing.assert_array_equal(images.labels, entry["sample_1/labels"])
        assert ((images.energy > 19) & (images.energy < 35)).all()
        np.testing.assert_allclose(images.energy, 1239.84198e-9 / entry["optics_1/wavelength"][:], rtol=1e-6)
        np.testing.assert_array_equal(images.images(slice(None), SIMULATION.detector.pixels), data)
        assert images.identifiers == list("012345")
