"""`invert fit` and `invert predict --refine` as users type them."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft
from numpy.typing import NDArray

from invert.backbone import ResidualConfiguration
from invert.checkpoint import save
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from msft.detector import EwaldDetector
from msft.particle import Particles
from msft.pattern import Simulation
from msft.symmetry import misorientation

from .conftest import assert_refused, run

SMALL = ["--pixels", "32", "--q-step", "0.0148", "--radius-min", "45", "--radius-max", "75", "--quiet"]
QUICK = ["--radius-min", 40, "--radius-max", 80, "--starts", 12, "--steps", 40]
RESULT = "/entry_1/result_1"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated frames, what the command found in them, and a network that has learnt nothing."""
    folder = tmp_path_factory.mktemp("measured")
    assert run(msft, "generate", "--n", 3, "--seed", 8, "-o", folder / "exp.h5", *SMALL).exit_code == 0
    fitted = run(invert, "fit", folder / "exp.h5", *QUICK, "--pictures", 2)
    assert fitted.exit_code == 0, fitted.output
    (folder / "fit.txt").write_text(fitted.stdout)
    for name, solver in (("model", "exact"), ("other", "chebyshev")):
        simulation = Simulation(detector=EwaldDetector(32, 0.0148), solver=solver)  # type: ignore[arg-type]
        configuration = ModelConfiguration(ResidualConfiguration((1, 1), 4), simulation=simulation)
        (folder / name).mkdir()
        save(folder / name, Model(configuration), TrainingConfiguration(), {})
    return folder


@pytest.fixture(scope="module")
def images(workplace: Path) -> NDArray[np.float32]:
    with h5py.File(workplace / "exp.h5") as file:
        return np.asarray(file["/entry_1/data_1/data"][:])


def write(path: Path, images: NDArray[np.float32], mask: NDArray[np.uint32] | None = None) -> Path:
    """Frames of somebody else's: images, the pixel width, perhaps a mask."""
    with h5py.File(path, "w") as file:
        file["/entry_1/data_1/data"] = images
        file["/entry_1/instrument_1/detector_1/q_step"] = 0.0148e9
        if mask is not None:
            file["/entry_1/data_1/mask"] = mask
    return path


def test_fits_are_kept_when_other_answers_take_their_place(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    exp, target = tmp_path / "exp.h5", tmp_path / "exp.predictions.h5"
    exp.write_bytes((workplace / "exp.h5").read_bytes())
    small = "--no-report", "--pictures", 0
    assert run(invert, "fit", exp, *QUICK, *small, "--quiet").exit_code == 0
    fits, earlier = target.read_bytes(), tmp_path / "exp.predictions.1.h5"
    with monkeypatch.context() as failing:
        failing.setattr("invert.stream.append", full_disk)
        broken = run(invert, "predict", exp, "--model", workplace / "model", *small)
    assert (broken.exit_code, target.read_bytes()) == (1, fits)
    assert not earlier.exists()
    done = run(invert, "predict", exp, "--model", workplace / "model", *small)
    assert done.exit_code == 0, done.output
    assert str(earlier) in done.stdout
    assert earlier.read_bytes() == fits != target.read_bytes()
    again = run(invert, "predict", exp, "--model", workplace / "model", *small)
    assert again.exit_code == 0, again.output
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [
        "exp.h5", "exp.predictions.1.h5", "exp.predictions.h5"
    ]  # fmt: skip


def test_fit_leaves_its_files_and_finds_the_particles(workplace: Path) -> None:
    with h5py.File(workplace / "exp.h5") as truth, h5py.File(workplace / "exp.predictions.h5") as file:
        result = file[RESULT]
        sample = truth["/entry_1/sample_1"]
        off = np.degrees(misorientation(result["quaternion"][:], sample["orientation"][:]))
        assert off.max() < 0.05
        assert abs(result["radius"][:] - sample["radius"][:]).max() < 0.05e-9
        assert result["frame"][:].tolist() == [0, 1, 2]
        assert (result["flags"][:] == 0).all()
        assert (result["agreement"][:] > 0.9999).all()
        assert (result["patterns_used"][:] > 12 * 40).all()
        assert np.isnan(result["alternative_1/radius"][:]).all()
        assert result["alternative_1/quaternion"].shape == (3, 4)
        assert "curvature" in result["radius_sigma"].attrs["meaning"]
        names = json.loads(result["flags"].attrs["names"])
        assert {"ambiguous", "radius_on_bound", "no_signal"} <= set(names)
        process = file["/entry_1/process_1"].attrs
        assert process["program"] == "invert fit"
        assert process["seed"] == 0
    with (workplace / "exp.predictions.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["alternative_radius_nm"] == ""
    assert (workplace / "exp.predictions.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in workplace.iterdir() if "partial" in path.name]
    text = (workplace / "fit.txt").read_text()
    assert "12 starts of 40 steps" in text
    assert "orientation" in text
    assert "exp.predictions.h5" in text


def test_the_input_stays_as_it_was_and_is_no_output(workplace: Path) -> None:
    exp = workplace / "exp.h5"
    before = exp.read_bytes()
    assert_refused(run(invert, "fit", exp, "-o", exp), "out")
    assert_refused(run(invert, "fit", exp, "-o", workplace / "result.csv"), "out")
    assert exp.read_bytes() == before


def test_some_frames_give_what_all_of_them_give(workplace: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.h5"
    done = run(invert, "fit", workplace / "exp.h5", *QUICK, "--frames", "1:2", "-o", one, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["frames"] == 1
    with h5py.File(workplace / "exp.predictions.h5") as whole, h5py.File(one) as part:
        assert part[RESULT]["frame"][:].tolist() == [1]
        for name in ("quaternion", "radius", "radius_sigma", "orientation_sigma", "agreement", "beam"):
            assert np.array_equal(part[RESULT][name][0], whole[RESULT][name][1]), name
        assert answer["patterns_used"] == [whole[RESULT]["patterns_used"][1]]
        assert np.array_equal(part[RESULT]["resimulated"][0], whole[RESULT]["resimulated"][1])
    other = tmp_path / "other.h5"
    run(invert, "fit", workplace / "exp.h5", *QUICK, "--frames", "1:2", "-o", other, "--seed", 7, "--quiet")
    with h5py.File(one) as first, h5py.File(other) as second:
        assert first[RESULT]["patterns_used"][0] != second[RESULT]["patterns_used"][0]


def test_one_bad_frame_does_not_cost_the_others(
    workplace: Path, images: NDArray[np.float32], tmp_path: Path
) -> None:
    spoilt = images.copy()
    spoilt[1] = 4.0
    done = run(invert, "fit", write(tmp_path / "exp.h5", spoilt), *QUICK, "--quiet")
    assert done.exit_code == 0, done.output
    with (
        h5py.File(tmp_path / "exp.predictions.h5") as file,
        h5py.File(workplace / "exp.predictions.h5") as good,
    ):
        assert file[RESULT]["flags"][:].tolist() == [0, 4 | 2, 0]
        for row in (0, 2):
            assert file[RESULT]["radius"][row] == good[RESULT]["radius"][row]
            assert np.array_equal(file[RESULT]["quaternion"][row], good[RESULT]["quaternion"][row])
        assert file[RESULT]["agreement"][1] == 0
    with (tmp_path / "exp.predictions.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert rows[1]["flags"] == "poor_agreement no_signal"
    assert (rows[1]["radius_nm"], rows[1]["q_w"], rows[1]["radius_sigma_nm"]) == ("", "", "")
    assert float(rows[0]["radius_nm"]) > 0
    assert rows[0]["beam_row_offset_px"] == "0.00"


def test_masked_pixels_have_no_influence(images: NDArray[np.float32], tmp_path: Path) -> None:
    mask = np.zeros((32, 32), dtype=np.uint32)
    mask[14:19, 14:19] = 2
    mask[:, 25] = 0x200
    found = []
    for value in (0.0, np.nan, 1e30, -1.0):
        spoilt = np.where(mask > 0, np.float32(value), images[:1])
        path = write(tmp_path / "exp.h5", spoilt, mask)
        done = run(invert, "fit", path, *QUICK, "--starts", 4, "--steps", 9, "--pictures", 0, "--quiet")
        assert done.exit_code == 0, done.output
        with h5py.File(tmp_path / "exp.predictions.h5") as file:
            found.append(
                [file[RESULT][name][:] for name in ("quaternion", "radius", "agreement", "measured")]
            )
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert np.array_equal(one, other)


def test_a_radius_range_without_the_solution_is_a_warning(workplace: Path, tmp_path: Path) -> None:
    options = ["--radius-min", 90, "--radius-max", 110, "--starts", 4, "--steps", 20]
    done = run(invert, "fit", workplace / "exp.h5", *options, "--frames", ":1", "-o", tmp_path / "p.h5")
    assert done.exit_code == 0, done.output
    assert "radius_on_bound" in done.stdout
    with h5py.File(tmp_path / "p.h5") as file:
        assert file[RESULT]["flags"][0] & 16
        assert min(abs(file[RESULT]["radius"][0] * 1e9 - bound) for bound in (90, 110)) < 0.02


def test_the_beam_can_be_given(images: NDArray[np.float32], tmp_path: Path) -> None:
    path = write(tmp_path / "exp.h5", images[:1, 3:, :29])  # the beam is at row 13, column 16 of 29 x 29
    out = tmp_path / "p.h5"
    options = [*QUICK, "--fixed-beam", "--pictures", 0, "--quiet"]
    assert run(invert, "fit", path, "--center", "13,16", *options, "-o", out).exit_code == 0
    with h5py.File(out) as file:
        assert file[RESULT]["beam"][0].tolist() == [-1.0, 2.0]
        assert file[RESULT]["agreement"][0] > 0.9999


def test_a_configuration_file_says_how_to_search(workplace: Path, tmp_path: Path) -> None:
    config = tmp_path / "experiment.toml"
    config.write_text(
        "[search]\nstarts = 3\nsteps = 2\nradius_range = [45, 75]\npolished = false\n[network]\nwidth = 8\n"
    )
    done = run(invert, "fit", workplace / "exp.h5", "--config", config, "--steps", 4, "-o", tmp_path / "p.h5")
    assert done.exit_code == 0, done.output
    assert "3 starts of 4 steps" in done.stdout
    # what stands there stays where an option changes the other end
    refused = run(invert, "fit", workplace / "exp.h5", "--config", config, "--radius-max", 40)
    assert_refused(refused, "radius_range")
    assert "45 to 40" in refused.stderr


def bad_stack(folder: Path, name: str) -> Path:
    images = np.random.default_rng(0).uniform(1, 2, (2, 32, 32)).astype(np.float32)
    mask = np.zeros((32, 32), dtype=np.uint32)
    if name == "masked":
        mask[:] = 1
    elif name == "constant":
        images[:] = 3.0
    elif name == "not a number":
        images[:] = np.nan
    elif name == "dark":
        images[:] = 0.0
    elif name == "oblong":
        images, mask = images[:, :20], mask[:20]
    return write(folder / "exp.h5", images, mask)


@pytest.mark.parametrize(
    ("stack", "arguments", "field"),
    [
        ("masked", [], "frame"),
        ("constant", [], "frame"),
        ("not a number", [], "frame"),
        ("dark", [], "frame"),
        ("oblong", [], "frames"),
        ("fine", ["--starts", 0], "starts"),
        ("fine", ["--starts", -2], "starts"),
        ("fine", ["--steps", -1], "steps"),
        ("fine", ["--radius-min", 90, "--radius-max", 40], "radius_range"),
        ("fine", ["--radius-min", 0], "radius_range"),
        ("fine", ["--radius-max", "nan"], "radius_range"),
        ("fine", ["--radius-min", 170], "radius_range"),
        ("fine", ["--center", "12"], "center"),
        ("fine", ["--center", "a,b"], "center"),
        ("fine", ["--center", "40,3"], "center"),
        ("fine", ["--center", "12,12", "--solver", "chebyshev"], "solver"),
        ("fine", ["--solver", "magic"], "solver"),
        ("fine", ["--body", "icosahedran"], "body"),
        ("fine", ["--body", "sphere"], "solver"),
        ("fine", ["--solver", "slices", "--radius-max", 500], "radius"),
        ("fine", ["--absorption", "total"], "optics.absorption"),
        ("fine", ["--absorption-length", -1], "absorption_length"),
        ("fine", ["--wavelength", 13.5e-9], "wavelength"),
        ("fine", ["--frames", "3"], "frames"),
        ("fine", ["--frames", "7:9"], "frames"),
        ("fine", ["--scale", "cubic"], "scale"),
        ("fine", ["--dataset", "/nowhere"], "dataset"),
        ("fine", ["--mask", "missing.npy"], "mask"),
        ("fine", ["--out", "no/such/folder/p.h5"], "out"),
        ("fine", ["--seed", -1], "seed"),
        ("fine", ["--seed", 2**63], "seed"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: str, arguments: list[object], field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = bad_stack(tmp_path, stack)
    small = [option for option in ("--starts", "--steps") if option not in arguments]
    assert_refused(
        run(invert, "fit", path, *(word for option in small for word in (option, 1)), *arguments), field
    )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("solver = 'chebyshev'\n[search]\nfree_beam = true\n", "solver"),
        ("[search]\nstarts = 'many'\n", "search.starts"),
        ("[search]\nstart = 3\n", "search.start"),
        ("search = 3\n", "search"),
        ("optics = 1\n", "optics"),
        ("detector = 'flat'\n", "detector"),
        ("[detector]\npixels = 64\n", "detector.pixels"),
        ("colour = 3\n", "colour"),
    ],
)
def test_bad_configurations_are_named_and_leave_nothing(tmp_path: Path, text: str, field: str) -> None:
    path = bad_stack(tmp_path, "fine")
    config = tmp_path / "c.toml"
    config.write_text(text)
    assert_refused(run(invert, "fit", path, "--config", config), field)
    assert sorted(tmp_path.iterdir()) == sorted([path, config])


def test_frames_of_any_flat_detector_are_fitted_on_their_own_pixels(tmp_path: Path) -> None:
    # what `predict` knows of the detector `fit` knows, too: by the default pixel width R would be 14 nm
    flat = ["--detector", "flat", "--pixels", 48, "--pixel-size", 1.5, "--distance", 60]
    made = run(
        msft, "simulate", "--radius", 60, *flat, "--orientation", "0.9,0.2,0.1,0.3", "-o", tmp_path / "s.h5"
    )
    assert made.exit_code == 0, made.output
    with h5py.File(tmp_path / "s.h5") as file, h5py.File(tmp_path / "exp.h5", "w") as other:
        other["images"] = file["/entry_1/data_1/data"][:]
    exp, out = tmp_path / "exp.h5", tmp_path / "p.h5"
    assert_refused(run(invert, "fit", exp, *QUICK, "-o", out), "frames")
    assert_refused(run(invert, "fit", exp, *QUICK, "-o", out, "--pixel-size", 1.5), "detector")
    stated = tmp_path / "stated.h5"
    with h5py.File(stated, "w") as other:
        other["/entry/data/data"] = h5py.ExternalLink("exp.h5", "images")
        detector = other.create_group("/entry/instrument/detector")
        detector["x_pixel_size"], detector["y_pixel_size"], detector["distance"] = 1.5e-3, 1.5e-3, 0.06
    for arguments in ([exp, "--pixel-size", 1.5, "--distance", 60], [stated]):
        done = run(invert, "fit", *arguments, *QUICK, "-o", out, "--no-report", "--pictures", 0)
        assert done.exit_code == 0, done.output
        assert "flat detector, pixels 1.5 x 1.5 mm at 60 mm" in done.stdout
        with h5py.File(out) as file:
            assert file[RESULT]["radius"][0] == pytest.approx(60e-9, rel=1e-3)
            assert file[RESULT]["agreement"][0] > 0.999


def test_another_body_is_told_by_its_own_symmetry(tmp_path: Path) -> None:
    # a cube in an orientation outside the icosahedron's domain: what is stored must give the pattern again
    small = ["--body", "cube", "--radius", 60, "--pixels", 32, "--q-step", 0.0148]
    made = run(msft, "simulate", *small, "--orientation", "0.53,0.33,-0.76,0.16", "-o", tmp_path / "exp.h5")
    assert made.exit_code == 0, made.output
    out = tmp_path / "p.h5"
    done = run(invert, "fit", tmp_path / "exp.h5", *QUICK, "-o", out, "--no-report")
    assert done.exit_code == 0, done.output
    with h5py.File(out) as file, h5py.File(tmp_path / "exp.h5") as truth:
        result = file[RESULT]
        assert result["agreement"][0] > 0.9999
        assert result["flags"][0] == 0
        found = Particles(result["radius"][:] * 1e9, result["quaternion"][:], "cube")
        again = Simulation(detector=EwaldDetector(32, 0.0148)).intensity(found)[0]
        shown = truth["/entry_1/data_1/data"][0]
    floor = 1e-4 * shown.max()
    assert np.corrcoef(np.log(again.ravel() + floor), np.log(shown.ravel() + floor))[0, 1] > 0.999
    row = next(line for line in done.stdout.splitlines() if line.startswith("     0"))
    assert float(row.split()[4]) < 0.1  # degrees off


def test_the_body_of_each_frame_is_found(tmp_path: Path) -> None:
    (tmp_path / "mixed.toml").write_text("[particles]\nbody = {cube = 0.5, tetrahedron = 0.5}\n")
    exp, out = tmp_path / "exp.h5", tmp_path / "found.h5"
    made = run(
        msft, "generate", "--n", 3, "--seed", 1, "--config", tmp_path / "mixed.toml", "-o", exp, *SMALL
    )
    assert made.exit_code == 0, made.output
    with h5py.File(exp) as file:
        true = file["/entry_1/sample_1/body"].asstr()[:].tolist()
    assert len(set(true)) == 2
    # the bodies that the file names are tried
    done = run(invert, "fit", exp, *QUICK, "--fixed-beam", "-o", out)
    assert done.exit_code == 0, done.output
    assert "the body is the true one in 3 of 3 frames" in done.stdout
    with out.with_suffix(".csv").open() as table:
        assert [row["body"] for row in csv.DictReader(table)] == true
    # of one body, frames of the other tell nothing about sizes
    options = [*QUICK, "--fixed-beam", "--no-report", "--pictures", 0, "-o", tmp_path / "cubes.h5"]
    cubes = run(invert, "fit", exp, *options, "--body", "cube")
    assert f"the body is the true one in {true.count('cube')} of 3 frames" in cubes.stdout
    assert cubes.stdout.count("is a tetrahedron") == true.count("tetrahedron")
    named = run(invert, "fit", exp, *options, "--body", "cube", "--body", "sphere", "--json")
    assert_refused(named, "solver")


def test_a_body_without_faces_leaves_all_its_files(tmp_path: Path) -> None:
    small = ["--pixels", 32, "--q-step", 0.0148]
    made = run(msft, "simulate", "--body", "sphere", "--radius", 60, *small, "-o", tmp_path / "exp.h5")
    assert made.exit_code == 0, made.output
    few = ["--starts", 1, "--steps", 2, "--solver", "chebyshev", "--no-polish"]
    for body, known in (("sphere", True), ("icosahedron", False)):
        out = tmp_path / f"{body}.h5"
        done = run(invert, "fit", tmp_path / "exp.h5", "--body", body, *few, "-o", out)
        assert done.exit_code == 0, done.output
        assert out.with_suffix(".png").exists()
        assert ("is a sphere" in done.stdout) != known, "another body's size is no truth"


@pytest.mark.parametrize("where", ["option", "file"])
def test_another_solver_keeps_the_beam_fixed(workplace: Path, tmp_path: Path, where: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text("solver = 'chebyshev'\n" if where == "file" else "")
    solver = ["--config", config] if where == "file" else ["--solver", "chebyshev"]
    options = [*solver, "--no-polish", "--starts", 1, "--steps", 1]
    done = run(invert, "fit", workplace / "exp.h5", *options, "--frames", ":1", "-o", tmp_path / "p.h5")
    assert done.exit_code == 0, done.output
    assert "solver chebyshev" in done.stdout
    with h5py.File(tmp_path / "p.h5") as file:
        assert file[RESULT]["beam"][0].tolist() == [0.0, 0.0]


def test_predict_refines_on_request(workplace: Path, tmp_path: Path) -> None:
    plain, fine = tmp_path / "plain.h5", tmp_path / "fine.h5"
    given = [workplace / "exp.h5", "--model", workplace / "model"]
    assert run(invert, "predict", *given, "-o", plain, "--quiet").exit_code == 0
    done = run(invert, "predict", *given, "-o", fine, "--refine", "--patterns", 60, "--fixed-beam")
    assert done.exit_code == 0, done.output
    assert "network alone" in done.stdout
    with h5py.File(plain) as before, h5py.File(fine) as after:
        assert (after[RESULT]["agreement"][:] > before[RESULT]["agreement"][:]).all()
        assert (before[RESULT]["patterns_used"][:] == 1).all()
        used = after[RESULT]["patterns_used"][:]
        assert ((used > 10) & (used <= 60)).all()
        assert "curvature" in after[RESULT]["radius_sigma"].attrs["meaning"]
        assert "curvature" not in before[RESULT]["radius_sigma"].attrs["meaning"]
        assert len(after["/entry_1/process_1"].attrs["weights_sha256"]) > 10


@pytest.mark.parametrize(
    ("model", "arguments", "field"),
    [("model", ["--patterns", 3], "patterns"), ("model", ["--seed", -1], "seed"), ("other", [], "solver")],
)
def test_bad_refinements_are_one_line_and_leave_nothing(
    workplace: Path, tmp_path: Path, model: str, arguments: list[object], field: str
) -> None:
    path = tmp_path / "exp.h5"
    path.write_bytes((workplace / "exp.h5").read_bytes())
    assert_refused(run(invert, "predict", path, "--model", workplace / model, "--refine", *arguments), field)
    assert list(tmp_path.iterdir()) == [path]


def test_polishing_can_be_left_out(workplace: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h5"
    options = [*QUICK, "--no-polish", "--pictures", 0, "--quiet"]
    assert run(invert, "fit", workplace / "exp.h5", *options, "-o", raw).exit_code == 0
    with h5py.File(workplace / "exp.predictions.h5") as fine, h5py.File(raw) as file:
        assert (file[RESULT]["agreement"][:] < fine[RESULT]["agreement"][:]).all()
        assert (file[RESULT]["patterns_used"][:] < fine[RESULT]["patterns_used"][:]).all()
        assert (file[RESULT]["beam"][:] == 0).all()
    assert not raw.with_suffix(".png").exists()


def test_answers_about_another_file_are_not_replaced(workplace: Path, tmp_path: Path) -> None:
    for name in ("run.h5", "run.cxi"):
        shutil.copy(workplace / "exp.h5", tmp_path / name)
    first, second = (
        run(invert, "predict", tmp_path / name, "--model", workplace / "model", "--pictures", 0)
        for name in ("run.h5", "run.cxi")
    )
    assert first.exit_code == 0, first.output
    assert_refused(second, "out")
    again = run(invert, "predict", tmp_path / "run.h5", "--model", workplace / "model", "--pictures", 0)
    assert again.exit_code == 0, again.output
