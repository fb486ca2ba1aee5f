"""`invert augment` as users type it: files, the picture, messages and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from matplotlib.image import imread
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft

from augment import PAPER_FILTERS, log_scale
from invert.frames import read_frames

from .conftest import assert_refused, run
from .test_commands import SMALL


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("augmentation") / "dataset.h5"
    assert run(msft, "generate", "--n", 70, "--seed", 3, "-o", path, *SMALL).exit_code == 0
    return path


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]], np.ndarray]:
    with h5py.File(path) as file:
        steps = [json.loads(step) for step in file["/entry_1/process_1/filter"].asstr()[:]]
        assert file["/entry_1/process_1"].attrs["complete"]
        images, mask = file["/entry_1/data_1/data"][:], file["/entry_1/data_1/mask"][:]
        return images, mask, steps, file["/entry_1/sample_1/radius"][:]


def test_the_preset_paper_makes_eleven_images_of_each_pattern(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "augmented.h5"
    result = run(invert, "augment", dataset, "-o", out, "--preset", "paper", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["images"] == 770
    images, mask, steps, radius = read(out)
    assert images.shape == (770, 32, 32)
    # a recording is the log scale and then the filter that it is named after
    assert [step["name"] for step in steps] == 70 * list(PAPER_FILTERS)
    with h5py.File(dataset) as file:
        intensity = torch.from_numpy(file["/entry_1/data_1/data"][:])
        assert np.array_equal(radius, np.repeat(file["/entry_1/sample_1/radius"][:], 11))
    assert np.array_equal(images[::11], log_scale(intensity).numpy())
    assert images.min() >= 0
    assert images.max() <= 1
    holes = mask.reshape(70, 11, 32, 32)[:, PAPER_FILTERS.index("central_hole")]
    assert (images.reshape(70, 11, 32, 32)[:, PAPER_FILTERS.index("central_hole")][holes > 0] == 0).all()
    assert (holes[:, 16, 16] > 0).all()


def test_the_default_is_the_experiment_beside_the_dataset(dataset: Path) -> None:
    assert run(invert, "augment", dataset, "--quiet").exit_code == 0
    images, mask, steps, _ = read(dataset.with_suffix(".augmented.h5"))
    assert images.shape == (70, 32, 32)
    assert {step["name"] for step in steps} == {"experiment"}
    assert (images[mask > 0] == 0).all()
    # what the file says was measured is what `invert predict` will believe
    frames = read_frames(dataset.with_suffix(".augmented.h5"))
    assert np.array_equal(frames.valid, mask == 0)
    assert_refused(run(invert, "augment", dataset), "out")


def test_the_seed_decides(dataset: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        run(invert, "augment", dataset, "-o", tmp_path / f"{name}.h5", "--seed", seed, "--quiet")
    first, second, third = (read(tmp_path / f"{name}.h5")[0] for name in "abc")
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_the_preview_is_one_picture(dataset: Path, tmp_path: Path) -> None:
    assert run(invert, "augment", "--preview", dataset, "--quiet").exit_code == 0
    picture = imread(dataset.with_suffix(".preview.png"))
    assert min(picture.shape[:2]) > 700
    other = tmp_path / "other.png"
    assert run(invert, "augment", "--preview", dataset, "--pattern", 5, "-o", other).exit_code == 0
    assert not np.array_equal(imread(other), picture)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--preset", "best"], "preset"),
        (["--seed", -1], "seed"),
        (["-o", "no/such/folder/file.h5"], "out"),
        (["--preview", "--pattern", 70], "pattern"),
        (["--preview", "--pattern", -1], "pattern"),
        (["--preview", "--seed", -1], "seed"),
        (["--seed", 2**64], "seed"),
        (["--preview", "-o", "picture.pdf"], "out"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    default = [] if "-o" in arguments or "--preview" in arguments else ["-o", "out.h5"]
    assert_refused(run(invert, "augment", dataset, *arguments, *default), field)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("preview", [[], ["--preview"]], ids=["file", "preview"])
def test_stacks_that_are_no_patterns_are_refused(
    dataset: Path, tmp_path: Path, preview: list[object]
) -> None:
    whole = dataset.read_bytes()
    for name, data in (
        ("flat", np.ones((70, 1024), dtype=np.float32)),
        ("deep", np.ones((70, 1, 32, 32), dtype=np.float32)),
        ("oblong", np.ones((70, 32, 16), dtype=np.float32)),
        ("complex", np.ones((70, 32, 32), dtype=np.complex64)),
        ("words", np.full((70, 32, 32), "light", dtype=h5py.string_dtype())),
        ("none", np.ones((0, 32, 32), dtype=np.float32)),
    ):
        path = tmp_path / f"{name}.h5"
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file["/entry_1/data_1/data"]
            file["/entry_1/data_1/data"] = data
        out = tmp_path / ("out.png" if preview else "out.h5")
        result = run(invert, "augment", path, "-o", out, *preview)
        assert_refused(result, "dataset")
        assert not out.exists()
    (tmp_path / "text.h5").write_text("not HDF5")
    for name in ("text", "missing"):
        assert_refused(run(invert, "augment", tmp_path / f"{name}.h5", *preview), "dataset")
    for folder in (".", "..", "/", tmp_path):
        assert_refused(run(invert, "augment", folder, *preview), "dataset")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[training]\nfilters = ['sharpen']\n", "training.filters"),
        ("[training]\nfilters = []\n", "training.filters"),
    ],
)
def test_training_names_the_filters_that_it_does_not_know(
    dataset: Path, tmp_path: Path, text: str, field: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    model = tmp_path / "model"
    assert_refused(run(invert, "train", dataset, "-o", model, "--config", tmp_path / "c.toml"), field)
    assert not model.exists()
