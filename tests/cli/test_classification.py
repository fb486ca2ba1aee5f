"""`invert train` on labelled frames, `classify`, `explain`, and their refusals, as users type them."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app as invert
from safetensors.numpy import load_file

from invert import checkpoint
from invert.backbone import ResidualConfiguration
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from tests.invert.labelled import NAMES, images_and_labels, write_labelled

from . import conftest
from .conftest import assert_refused

run = partial(conftest.run, invert)


CONFIG = """
[network]
blocks = [1, 1]
width = 8
[input]
pixels = 32
[training]
epochs = 10
batch = 32
decay_epochs = 7
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workplace")
    write_labelled(folder / "helium.h5", *images_and_labels(500, 1))
    write_labelled(folder / "exp.h5", *images_and_labels(40, 2))
    (folder / "small.toml").write_text(CONFIG)
    trained = run(
        "train", folder / "helium.h5", "-o", folder / "model", "--config", folder / "small.toml", "--json"
    )
    assert trained.exit_code == 0, trained.output
    # the label that no frame has is warned of, and what it could not learn is null
    assert trained.stderr == "warning: no frame has the label never; its scores are undefined\n"
    scores = json.loads(trained.stdout)["scores"]
    assert scores["labels"]["never"]["recall"] is None
    assert scores["overall"]["f1"] > 0.8
    return folder


def test_training_leaves_a_whole_folder(workplace: Path) -> None:
    assert {path.name for path in (workplace / "model").iterdir()} == {
        "weights.safetensors",
        "configuration.json",
        "report.json",
        "curves.csv",
        "scores.png",
    }
    again = run("train", workplace / "helium.h5", "-o", workplace / "model")
    assert_refused(again, "out")


def test_classify_writes_labels_and_probabilities(workplace: Path) -> None:
    before = (workplace / "exp.h5").read_bytes()
    result = run("classify", workplace / "exp.h5", "--model", workplace / "model")
    assert result.exit_code == 0, result.output
    assert "line" in result.stdout
    with h5py.File(workplace / "exp.classes.h5") as file:
        labels = file["/entry_1/result_1/labels"][:]
        assert file["/entry_1/result_1/probabilities"].shape == (40, 3)
        assert file["/entry_1/process_1"].attrs["weights_sha256"]
    with h5py.File(workplace / "exp.h5") as file:
        assert np.mean(labels == file["/entry_1/sample_1/labels"][:]) > 0.9
    rows = list(csv.DictReader((workplace / "exp.classes.csv").open()))
    assert len(rows) == 40
    assert set(rows[0]) == {"frame", "labels", *NAMES}
    assert (workplace / "exp.h5").read_bytes() == before
    part = run("classify", workplace / "exp.h5", "--model", workplace / "model", "--frames", "5:9",
               "-o", workplace / "part.h5", "--json")  # fmt: skip
    assert json.loads(part.stdout)["labels"] == dict(
        zip(NAMES, labels[5:9].sum(axis=0).tolist(), strict=True)
    )


def test_evaluate_scores_a_classifier_on_other_images(workplace: Path, tmp_path: Path) -> None:
    exp = workplace / "exp.h5"
    result = run("evaluate", workplace / "model", exp, "-o", tmp_path / "scores.json", "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert scores["images"] == 40
    assert scores["overall"]["f1"] > 0.8
    assert json.loads((tmp_path / "scores.json").read_text())["labels"] == scores["labels"]
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    images, labels = images_and_labels(4, 0)
    other = write_labelled(tmp_path / "other.h5", images, labels, ("line", "never", "cross"))
    assert_refused(run("evaluate", workplace / "model", other), "labels")


def test_frames_without_a_valid_pixel_neither_judge_nor_teach(workplace: Path, tmp_path: Path) -> None:
    images, labels = images_and_labels(60, 3)
    seen = write_labelled(tmp_path / "seen.h5", images[30:], labels[30:])
    images[:30] = np.nan
    all_60 = write_labelled(tmp_path / "all.h5", images, labels)
    told = "warning: 30 frames without a valid pixel are left out\n"
    results = [run("evaluate", workplace / "model", path, "--json") for path in (seen, all_60)]
    assert json.loads(results[1].stdout) == json.loads(results[0].stdout)
    assert [result.stderr for result in results] == ["", told]
    (tmp_path / "short.toml").write_text(CONFIG.replace("batch = 32", "batch = 8"))
    config = ("--config", tmp_path / "short.toml", "--images", 1, "--json")
    trained = [run("train", path, "-o", path.with_suffix(""), *config) for path in (seen, all_60)]
    assert trained[1].stderr == told + trained[0].stderr
    weights = [load_file(path.with_suffix("") / "weights.safetensors") for path in (seen, all_60)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_evaluation_on_the_images_of_the_training_is_warned_of(workplace: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", workplace / "model", workplace / "helium.h5", "-o", tmp_path / "scores.json")
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == "warning: the network was trained on these very images; on others it errs more\n"


def test_warnings_about_frames_are_told_once_by_classify(workplace: Path, tmp_path: Path) -> None:
    with h5py.File(frames := tmp_path / "log.h5", "w") as file:
        file["data"] = np.random.default_rng(1).normal(3, 1, (2, 32, 32)).astype(np.float32)
    for options in ((), ("--quiet",)):
        done = run("classify", frames, "--model", workplace / "model", *options)
        assert done.exit_code == 0, done.output
        assert done.stderr.count("warning: the values look like logarithms") == 1
        assert "look like logarithms" not in done.stdout


def test_explain_draws_the_most_probable_frames(workplace: Path) -> None:
    arguments = ("explain", workplace / "exp.h5", "--model", workplace / "model", "--count", 3)
    result = run(*arguments, "--label", "line", "--label", "cross", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)["shown"]
    assert {name: len(frames) for name, frames in shown.items()} == {"line": 3, "cross": 3}
    assert (workplace / "exp.line_cross.png").read_bytes().startswith(b"\x89PNG")
    with h5py.File(workplace / "exp.h5") as file:
        labels = file["/entry_1/sample_1/labels"][:]
    assert all(labels[int(frame), 0] for frame in shown["line"])
    assert_refused(run(*arguments, "--label", "streak"), "label")
    assert_refused(run(*arguments, "--label", "spherical/oblate"), "label")
    assert_refused(run(*arguments, "--label", "line", "-o", workplace / "exp.h5"), "out")


def test_bad_input_is_one_line(workplace: Path, tmp_path: Path) -> None:
    images, labels = images_and_labels(8, 0)
    narrow = write_labelled(tmp_path / "narrow.h5", images, labels[:, :2])
    assert_refused(run("train", narrow, "-o", tmp_path / "m"), "labels")
    tiny = write_labelled(tmp_path / "tiny.h5", images[:, :6, :6], labels)
    assert_refused(run("train", tiny, "-o", tmp_path / "m", "--config", workplace / "small.toml"), "frames")
    assert_refused(run("classify", tiny, "--model", workplace / "model"), "frames")
    assert_refused(run("explain", tiny, "--model", workplace / "model", "--label", "line"), "frames")
    assert_refused(run("classify", workplace / "exp.h5", "--model", tmp_path), "model")
    model = ("--model", workplace / "model")
    assert_refused(run("classify", workplace / "exp.h5", *model, "--threshold", 2), "threshold")
    assert_refused(run("classify", workplace / "exp.h5", *model, "-o", workplace / "exp.h5"), "out")
    assert_refused(run("predict", workplace / "exp.h5", *model), "model")
    other = tmp_path / "other.toml"
    other.write_text("network = 'resnet19'\n")
    exp = workplace / "exp.h5"
    assert_refused(run("train", exp, "-o", tmp_path / "m", "--config", other), "network")
    assert_refused(run("train", exp, "-o", tmp_path / "m", "--preset", "best of all"), "preset")
    assert_refused(run("train", exp, "-o", tmp_path / "m", "--devices", 2), "devices")
    assert_refused(run("train", exp, "-o", tmp_path / "m", "--online"), "online")
    assert_refused(run("train", exp, "-o", tmp_path / "m", "--images", 0), "images")
    assert not [path.name for path in tmp_path.iterdir() if path.name not in
                ("narrow.h5", "tiny.h5", "other.toml")]  # fmt: skip


def test_predict_keeps_the_frames_of_an_expression(workplace: Path, tmp_path: Path) -> None:
    exp = tmp_path / "exp.h5"
    simulation = Simulation(detector=EwaldDetector(pixels=32, q_step=2 * PAPER_Q_STEP))
    generate(exp, 9, 1, ParticleDistribution((40.0, 80.0)), simulation)
    (tmp_path / "model").mkdir()
    network = ResidualConfiguration((1, 1), 4)
    untrained = Model(ModelConfiguration(network, radius_range=(40.0, 80.0), simulation=simulation))
    checkpoint.save(tmp_path / "model", untrained.eval(), TrainingConfiguration(), {})
    assert run("classify", exp, "--model", workplace / "model").exit_code == 0
    with h5py.File(tmp_path / "exp.classes.h5") as file:
        chance = file["/entry_1/result_1/probabilities"][:, 0]
    above = float(np.sort(chance)[3:5].mean())
    arguments = ("predict", exp, "--model", tmp_path / "model", "--pictures", 0)
    result = run(*arguments, "--keep", f"~(line < {above:.7f})")
    assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "exp.predictions.h5") as file:
        assert file["/entry_1/result_1/frame"][:].tolist() == np.flatnonzero(chance >= above).tolist()
        assert len(file["/entry_1/result_1/radius"]) == 5
        assert file["/entry_1/result_1/measured"].shape == (5, 32, 32)
    assert_refused(run(*arguments, "--keep", "streak"), "keep")
    assert_refused(run(*arguments, "--keep", "line < 0"), "keep")
    assert_refused(run(*arguments, "--keep", "line", "--classes", tmp_path / "none.h5"), "classes")
    assert_refused(run(*arguments, "--keep", "line", "--out", tmp_path / "exp.classes.h5"), "out")
    # labels of other frames are not shown in a page, those of a file that has changed choose nothing
    kept = run("report", tmp_path / "exp.predictions.h5", "--classes", tmp_path / "exp.classes.h5")
    assert kept.exit_code == 0, kept.output
    others = tmp_path / "other.classes.h5"
    assert run("classify", workplace / "exp.h5", "--model", workplace / "model", "-o", others).exit_code == 0
    page = ("report", tmp_path / "exp.predictions.h5", "--out", tmp_path / "wrong.html")
    with h5py.File(others, "a") as file:
        file["/entry_1/result_1/source"][:] = "m.h5:/data"
    assert_refused(run(*page, "--classes", others), "classes")
    assert not (tmp_path / "wrong.html").exists()
    # copies whose times are those of copying are as good
    (tmp_path / "copy").mkdir()
    for name in ("exp.h5", "exp.classes.h5"):
        shutil.copyfile(tmp_path / name, tmp_path / "copy" / name)
    copied = run("predict", tmp_path / "copy" / "exp.h5", *arguments[2:], "--keep", f"line >= {above:.7f}")
    assert copied.exit_code == 0, copied.output
    generate(exp, 9, 2, ParticleDistribution((40.0, 80.0)), simulation, force=True)
    assert_refused(run(*arguments, "--keep", f"line > {above:.7f}"), "classes")
    assert run("classify", exp, "--model", workplace / "model").exit_code == 0
    assert run(*arguments, "--keep", "line >= 0").exit_code == 0
