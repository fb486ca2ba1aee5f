"""The commands as users type them: outputs, messages and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft

from augment.presets import RECORDINGS
from invert.presets import PRESETS
from msft import __version__
from msft.configuration import to_mapping

from .conftest import assert_refused, run

SMALL = ["--pixels", "32", "--q-step", "0.0148", "--radius-max", "80", "--quiet"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the three commands have run, small."""
    folder = tmp_path_factory.mktemp("workplace")
    assert run(msft, "generate", "--n", 300, "--seed", 1, "-o", folder / "dataset.h5", *SMALL).exit_code == 0
    config = folder / "experiment.toml"
    config.write_text(
        "[network]\nblocks = [1, 1]\nwidth = 4\n"
        "[training]\nimages = 2000\nbatch = 32\nfilters = ['identity']\n"
    )
    trained = run(
        invert, "train", folder / "dataset.h5", "-o", folder / "model", "--config", config, "--quiet"
    )
    assert trained.exit_code == 0, trained.output
    assert run(msft, "generate", "--n", 12, "--seed", 2, "-o", folder / "exp.h5", *SMALL).exit_code == 0
    return folder


def test_the_whole_path_leaves_its_files(workplace: Path) -> None:
    result = run(invert, "predict", workplace / "exp.h5", "--model", workplace / "model", "--pictures", 2)
    assert result.exit_code == 0, result.output
    assert "agreement" in result.stdout
    for name in ("exp.predictions.h5", "exp.predictions.csv", "exp.predictions.png"):
        assert (workplace / name).stat().st_size > 0
    assert (workplace / "model" / "weights.safetensors").exists()
    assert not [path for path in workplace.iterdir() if "partial" in path.name]


def test_show_info_evaluate_and_augment(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(msft, "show", workplace / "dataset.h5", "--count", 4).exit_code == 0
    assert (workplace / "dataset.png").read_bytes().startswith(b"\x89PNG")
    information = json.loads(run(msft, "info", workplace / "dataset.h5", "--json").stdout)
    assert information["patterns"] == 300
    evaluated = run(invert, "evaluate", workplace / "model", workplace / "exp.h5", "--json")
    assert set(json.loads(evaluated.stdout)) == {*RECORDINGS, "best_constant_guess"}
    assert evaluated.stderr == ""
    monkeypatch.setattr("augment.presets.RECORDINGS", ("identity",))
    known = run(invert, "evaluate", workplace / "model", workplace / "dataset.h5", "--json")
    assert known.exit_code == 0, known.output
    assert known.stderr.startswith("warning: the network was trained on these very patterns")
    written = json.loads((workplace / "exp.evaluation.json").read_text())
    assert sum(written["trends"]["radius_nm"]["patterns"]) == 12
    assert (workplace / "exp.evaluation.png").read_bytes().startswith(b"\x89PNG")
    dirty = run(invert, "augment", workplace / "exp.h5", "-o", workplace / "dirty.h5", "--quiet")
    assert dirty.exit_code == 0, dirty.output
    with h5py.File(workplace / "dirty.h5") as file:
        assert file["/entry_1/data_1/data"].attrs["scale"] == "log"
    assert_refused(run(invert, "augment", workplace / "exp.h5", "--preview", "--preset", "perfect"), "preset")
    predicted = run(invert, "predict", workplace / "dirty.h5", "--model", workplace / "model", "--json")
    assert json.loads(predicted.stdout)["frames"] == 12


def test_predictions_do_not_change_their_input(workplace: Path) -> None:
    before = (workplace / "exp.h5").read_bytes()
    run(invert, "predict", workplace / "exp.h5", "--model", workplace / "model", "--pictures", 0)
    assert (workplace / "exp.h5").read_bytes() == before


def test_no_output_replaces_an_input(workplace: Path) -> None:
    before = (workplace / "exp.h5").read_bytes()
    model = workplace / "model"
    exp = workplace / "exp.h5"
    assert_refused(run(invert, "predict", exp, "--model", model, "-o", exp), "out")
    assert_refused(run(invert, "predict", exp, "--model", model, "-o", workplace / "res.csv"), "out")
    assert_refused(run(invert, "evaluate", model, exp, "-o", exp), "out")
    assert_refused(run(msft, "show", exp, "-o", exp), "out")
    assert_refused(run(invert, "augment", exp, "-o", exp, "--force"), "out")
    assert exp.read_bytes() == before


def test_filtered_files_say_what_was_measured_and_how(workplace: Path) -> None:
    dirty = workplace / "dirty.h5"
    run(invert, "augment", workplace / "exp.h5", "-o", dirty, "--force", "--quiet")
    with h5py.File(dirty) as file:
        images, mask = file["/entry_1/data_1/data"][:], file["/entry_1/data_1/mask"][:]
        steps = [json.loads(step) for step in file["/entry_1/process_1/filter"].asstr()[:]]
    assert (images[mask > 0] == 0).all()
    assert mask.any(axis=(1, 2)).all()
    names = [step["name"] for step in steps[0]["steps"]]
    assert names.index("photon_statistics") < names.index("central_hole") < names.index("log_scale")
    assert run(msft, "show", dirty).exit_code == 0
    assert_refused(run(invert, "evaluate", workplace / "model", dirty), "dataset")
    assert_refused(run(invert, "train", dirty, "-o", workplace / "other"), "dataset")


def test_one_configuration_serves_every_command(workplace: Path, tmp_path: Path) -> None:
    config = tmp_path / "experiment.toml"
    config.write_text(
        "target = 'code'\n[optics]\nabsorption = 'none'\n[detector]\npixels = 16\n"
        "[particles]\nradius_range = [40, 60]\n[uncertainty]\nwavelength = 0.01\n"
        "[search]\nstarts = 1\nsteps = 1\n"
        "[network]\nblocks = [1]\nwidth = 4\n[training]\nimages = 64\nbatch = 8\n"
    )
    one = tmp_path / "one.h5"
    assert run(msft, "simulate", "--config", config, "--radius", 50, "-o", one, "--quiet").exit_code == 0
    fitted = run(invert, "fit", one, "--config", config, "--no-report", "--pictures", 0, "--quiet")
    assert fitted.exit_code == 0, fitted.output
    data, model = tmp_path / "d.h5", tmp_path / "m"
    for_classifiers = tmp_path / "classifier.toml"
    for_classifiers.write_text(config.read_text() + "[input]\npixels = 64\n")
    made = run(msft, "generate", "--n", 30, "-o", data, "--config", for_classifiers, "--quiet")
    assert made.exit_code == 0, made.output
    trained = run(invert, "train", data, "-o", model, "--config", config, "--quiet")
    assert trained.exit_code == 0, trained.output
    assert_refused(run(invert, "evaluate", workplace / "model", data), "dataset.optics")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--n", 0], "n"),
        (["--n", -5], "n"),
        (["--seed", -1], "seed"),
        (["--seed", 2**63], "seed"),
        (["--radius-min", -3], "radius_range"),
        (["--radius-min", 90, "--radius-max", 40], "radius_range"),
        (["--absorption", "refractive", "--beta", -0.1], "beta"),
        (["--absorption-length", 0], "absorption_length"),
        (["--absorption", "total"], "optics.absorption"),
        (["--solver", "magic"], "solver"),
        (["--backend", "cuda"], "backend"),
        (["--backend", "cupy", "--solver", "slices"], "backend"),
        (["--backend", "numba", "--solver", "slices"], "backend"),
        (["--body", "icosahedran"], "body"),
        (["--body", "sphere"], "solver"),
        (["--wavelength", 13.5e-9], "wavelength"),
        (["--pixels", 0], "pixels"),
        (["--q-step", 5.0, "--solver", "slices"], "q_step"),
        (["--radius-max", 500, "--solver", "slices"], "radius"),
        (["--config", "missing.toml"], "config"),
        (["--out", "no/such/folder/file.h5"], "out"),
        (["--radius-max", 160e-9, "--radius-min", 30e-9], "radius_range"),
        (["--workers", 0], "workers"),
        (["--shard", "0/16"], "shard"),
        (["--shard", "3"], "shard"),
        (["--shard", "3/16"], "shard"),
        (["--shard", "1/1", "--scheduler", "tcp://127.0.0.1:9"], "shard"),
        (["--workers", 2, "--scheduler", "tcp://127.0.0.1:9"], "workers"),
        (["--shards", 2], "shards"),
    ],
)
def test_bad_input_to_generate_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run(msft, "generate", *(["--n", 2] if "--n" not in arguments else []), *arguments), field)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["generate", "--n", 2], ["simulate", "--out", "one.h5"]])
def test_a_gpu_where_there_is_none_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[object]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("msft.backends.with_cupy.missing", lambda: "CuPy finds no NVIDIA GPU")
    for solver in ("exact", "chebyshev"):
        refused = run(msft, *command, "--backend", "cupy", "--solver", solver)
        assert_refused(refused, "backend")
        assert "auto, numba or numpy on this machine" in refused.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[optics]\nwavelenght = 13.5\n", "optics.wavelenght"),
        ("[optics]\nwavelength = 'blue'\n", "optics.wavelength"),
        ("[particles]\nradius_range = [30]\n", "particles.radius_range"),
        ("[detector]\ngeometry = 'curved'\n", "detector.geometry"),
        ("[optics\n", "config"),
        ("colour = 3\n", "colour"),
        ("detector = 'flat'\n", "detector"),
        ("optics = 1\n", "optics"),
        ("[particles]\nbodies = 'cube'\n", "particles.bodies"),
        ("[particles]\nbody = 'icosahedran'\n", "body"),
        ("[particles]\nbody = 3\n", "particles.body"),
        ("[particles.body]\nicosahedron = 0.5\ncube = 0.4\n", "body"),
        ("[particles.body]\nicosahedron = 1.5\ncube = -0.5\n", "body.cube"),
        ("[particles.body]\nicosahedron = 'often'\n", "particles.body.icosahedron"),
        ("[particles]\nradius_range = [30e-9, 160e-9]\n", "radius_range"),
        ("[particles.radius]\nkind = 'gauss'\n", "particles.radius.kind"),
        ("[particles.radius]\nkind = 'normal'\nmean = 80\n", "particles.radius.sigma"),
        ("[particles.radius]\nkind = 'normal'\nmean = 80\nsigma = -1\n", "particles.radius.sigma"),
        ("[particles.radius]\nkind = 'normal'\nmean = 80e-9\nsigma = 1e-9\n", "radius"),
        ("[particles]\nstretch_range = [0, 2]\n", "stretch_range"),
        ("[particles.orientation]\nkind = 'around'\nspread = -3\n", "particles.orientation.spread"),
        ("[uncertainty]\nwavelenght = 0.1\n", "uncertainty.wavelenght"),
        ("[uncertainty]\nwavelength = -0.1\n", "uncertainty.wavelength"),
        ("[uncertainty]\nwavelength = 13\n", "uncertainty.wavelength"),
    ],
)
def test_bad_configurations_are_named(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    out = tmp_path / "dataset.h5"
    assert_refused(run(msft, "generate", "--n", 2, "--config", tmp_path / "c.toml", "-o", out), field)
    assert not out.exists()


def test_bad_files_are_one_line_and_leave_nothing(workplace: Path, tmp_path: Path) -> None:
    whole = (workplace / "exp.h5").read_bytes()
    (tmp_path / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("not HDF5")
    (tmp_path / "empty.h5").write_bytes(b"")
    with h5py.File(tmp_path / "imageless.h5", "w") as file:
        file["note"] = "nothing to see"
    with h5py.File(tmp_path / "other_size.h5", "w") as file:
        file["data"] = np.ones((2, 48, 48))
    with h5py.File(tmp_path / "fine.h5", "w") as file:
        file["data"] = np.ones((2, 32, 32))
    before = sorted(tmp_path.iterdir())
    for name in ("truncated", "text", "empty", "imageless", "other_size", "missing"):
        result = run(invert, "predict", tmp_path / f"{name}.h5", "--model", workplace / "model")
        assert_refused(result, "frames")
    for name in ("truncated", "text", "imageless"):
        assert_refused(run(msft, "show", tmp_path / f"{name}.h5"), "dataset")
        assert_refused(run(invert, "train", tmp_path / f"{name}.h5", "-o", tmp_path / "model"), "dataset")
        assert_refused(run(invert, "evaluate", workplace / "model", tmp_path / f"{name}.h5"), "dataset")
    assert_refused(run(invert, "predict", tmp_path / "fine.h5", "--model", tmp_path), "model")
    assert_refused(
        run(invert, "predict", tmp_path / "fine.h5", "--model", workplace / "model", "--device", "abacus"),
        "device",
    )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--logger", "paper"], "logger"),
        (["--devices", 0], "devices"),
        (["--nodes", 0], "nodes"),
        (["--preset", "perfect"], "preset"),
        (["--images", 0], "training.images"),
        (["--config", "square.toml"], "training.loss"),
        (["--devices", 3], "training.batch"),
        (["--start", "nothere"], "start"),
    ],
)
def test_bad_input_to_train_is_one_line_and_leaves_nothing(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "square.toml").write_text("[training]\nloss = 'cubic'\n")
    assert_refused(run(invert, "train", workplace / "dataset.h5", *arguments), field)
    assert [path.name for path in tmp_path.iterdir()] == ["square.toml"]


def test_an_empty_dataset_is_refused(workplace: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset.h5"
    with h5py.File(workplace / "dataset.h5") as file, h5py.File(copy, "w") as empty:
        for name in ("cxi_version", "entry_1"):
            file.copy(name, empty)
        for path in (
            "entry_1/data_1/data",
            *(f"entry_1/sample_1/{name}" for name in file["entry_1/sample_1"]),
        ):
            values, attributes = empty[path][:0], dict(empty[path].attrs)
            del empty[path]
            empty.create_dataset(path, data=values, dtype=file[path].dtype).attrs.update(attributes)
    assert_refused(run(invert, "train", copy, "-o", tmp_path / "model"), "dataset")
    assert_refused(run(invert, "evaluate", workplace / "model", copy), "dataset")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.h5"]


def test_training_goes_on_from_a_model_whose_network_it_keeps(workplace: Path, tmp_path: Path) -> None:
    begin = [workplace / "dataset.h5", "--images", 64, "--start", workplace / "model", "--quiet"]
    result = run(invert, "train", *begin, "-o", tmp_path / "model")
    assert result.exit_code == 0, result.output
    before, after = (
        json.loads((folder / "model" / "configuration.json").read_text()) for folder in (workplace, tmp_path)
    )
    assert after["model"]["network"] == before["model"]["network"] != to_mapping(PRESETS["quick"].network)
    assert after["start"]["command"] == before["command"]
    # not the same images again, in the same order
    assert after["training"]["seed"] == before["training"]["seed"] + 1
    (tmp_path / "wide.toml").write_text("[network]\nwidth = 20\n")
    refused = run(invert, "train", *begin, "-o", tmp_path / "wide", "--config", tmp_path / "wide.toml")
    assert_refused(refused, "start")
    assert not (tmp_path / "wide").exists()
    assert_refused(run(invert, "train", *begin[:4], tmp_path / "none", "-o", tmp_path / "wide"), "start")


def test_training_on_fresh_particles_logs_and_leaves_a_model(workplace: Path, tmp_path: Path) -> None:
    options = [
        "--online",
        "--images",
        640,
        "--logger",
        "tensorboard",
        "--config",
        workplace / "experiment.toml",
    ]
    result = run(invert, "train", workplace / "dataset.h5", "-o", tmp_path / "model", *options, "--quiet")
    assert result.exit_code == 0, result.output
    resolved = json.loads((tmp_path / "model" / "configuration.json").read_text())
    assert resolved["training"]["online"] is True
    assert resolved["dataset"]["patterns"] == 300
    assert any(path.name.startswith("events") for path in (tmp_path / "model.logs").iterdir())


def test_labels_outside_the_models_range_are_refused(workplace: Path, tmp_path: Path) -> None:
    larger = [*SMALL[:-3], "--radius-min", "90", "--radius-max", "95", "--quiet"]
    assert run(msft, "generate", "--n", 4, "-o", tmp_path / "larger.h5", *larger).exit_code == 0
    assert_refused(run(invert, "evaluate", workplace / "model", tmp_path / "larger.h5"), "dataset.radius")


def test_a_dataset_of_another_size_than_the_models_is_refused(workplace: Path, tmp_path: Path) -> None:
    run(msft, "generate", "--n", 4, "--pixels", 16, "-o", tmp_path / "small.h5", "--quiet")
    assert_refused(run(invert, "evaluate", workplace / "model", tmp_path / "small.h5"), "dataset.detector")


def test_an_existing_dataset_is_kept_without_force(workplace: Path) -> None:
    before = (workplace / "exp.h5").read_bytes()
    assert_refused(run(msft, "generate", "--n", 2, "-o", workplace / "exp.h5", *SMALL), "out")
    assert (workplace / "exp.h5").read_bytes() == before


def test_incomplete_datasets_are_refused(workplace: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset.h5"
    copy.write_bytes((workplace / "exp.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        file["/entry_1/process_1"].attrs["complete"] = False
    assert_refused(run(invert, "train", copy, "-o", tmp_path / "model"), "dataset")


@pytest.mark.parametrize("command", ["msft", "invert"])
def test_help_of_the_installed_commands_does_not_import_torch(command: str) -> None:
    code = (
        f"import sys; sys.argv = ['{command}', '--help']\n"
        "from importlib.metadata import entry_points\n"
        f"main = entry_points(group='console_scripts')['{command}'].load()\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end\n"
        "assert not {'torch', 'numba', 'matplotlib', 'h5py'} & set(sys.modules)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "Usage" in finished.stdout


@pytest.mark.parametrize("module", ["simulation", "inversion"])
def test_a_command_without_arguments_prints_its_help(module: str) -> None:
    script = f"from msft_cli.{module} import main; main()"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Usage: ")
    assert "\nCommands:\n" in finished.stderr


def test_what_a_terminal_has_no_letters_for_is_escaped(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "größe.h5", "w") as file:
        file["Länge"] = [1.0]
    finished = subprocess.run(
        [sys.executable, "-c", "from msft_cli.simulation import main; main()", "info", "größe.h5"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert finished.returncode == 0, finished.stderr
    assert r"L\xe4nge" in finished.stdout


@pytest.mark.parametrize("arguments", [["--n", "0"], ["--n", "many"], ["--colour", "3"]])
def test_a_bad_option_ends_a_real_process_with_2_and_one_line(tmp_path: Path, arguments: list[str]) -> None:
    script = "from msft_cli.simulation import main; main()"
    finished = subprocess.run(
        [sys.executable, "-c", script, "generate", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1, finished.stderr
    assert finished.stderr.startswith("error: ")


def test_where_nothing_compiled_can_be_kept_it_is_said(tmp_path: Path) -> None:
    """As in a container that can be read only, without a home."""
    script = """
from numba.core import caching
caching.CacheImpl._locator_classes.clear()
from msft_cli.simulation import main
main()
"""
    finished = subprocess.run(
        [sys.executable, "-c", script, "generate", "--n", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "NUMBA_CACHE_DIR": "/proc/none"},
    )
    assert finished.returncode == 2
    allowed = "a folder that can be written, for what is compiled"
    assert finished.stderr == f"error: NUMBA_CACHE_DIR: got /proc/none; allowed: {allowed}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_generation_says_how_to_go_on(tmp_path: Path, name: str) -> None:
    # a suite that runs in a shell's background passes on that interrupts are ignored
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    script = heard + "from msft_cli.simulation import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "generate", "--n", "1000000"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 60
    # past the compilation, within which Python cannot answer
    growing = tmp_path / "dataset.h5.partial"
    while not (growing.exists() and growing.stat().st_size > 1e6) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1].endswith("the same command goes on with it")
    assert not (tmp_path / "dataset.h5").exists()


def test_a_job_array_makes_one_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (2, 1):
        for _ in range(2):  # a job that runs again finds its shard done
            result = run(msft, "generate", "--n", 10, "--shard", f"{number}/2", "--resume", *SMALL)
            assert result.exit_code == 0, result.output
    assert_refused(run(msft, "generate", "--n", 10, "--shard", "2/2", *SMALL), "out")
    assert run(msft, "merge", "shards/", "-o", "dataset.h5", "--quiet").exit_code == 0
    assert_refused(run(msft, "merge", "shards/", "-o", "dataset.h5"), "out")
    assert run(msft, "validate", "dataset.h5", "--quiet").exit_code == 0
    assert run(msft, "generate", "--n", 10, "-o", "whole.h5", *SMALL).exit_code == 0
    with h5py.File("dataset.h5") as merged, h5py.File("whole.h5") as whole:
        np.testing.assert_array_equal(merged["entry_1/data_1/data"][:], whole["entry_1/data_1/data"][:])
    Path("shards/0001-of-0002.h5").unlink()
    assert_refused(run(msft, "merge", "shards/", "-o", "other.h5"), "shards")
    assert_refused(run(msft, "show", "dataset.h5"), "dataset")


def test_particles_too_large_for_the_pixels_are_told(tmp_path: Path) -> None:
    told = "warning: R = 300 nm, but pixels this wide resolve the fringes of particles up to R = 212.5 nm;"
    for command, too_large in (
        ("simulate --radius 300", True),
        # a stretch leaves the circumsphere as it is
        ("simulate --radius 150 --stretch 2", False),
        ("generate --n 2 --radius-max 300", True),
        ("generate --n 2 --radius-max 210", False),
    ):
        result = run(msft, *command.split(), "-o", tmp_path / "a.h5", "--force", "--quiet")
        assert result.exit_code == 0
        assert result.stderr.startswith(told) is too_large, result.stderr


def test_a_reader_that_has_seen_enough_is_no_error(workplace: Path) -> None:
    code = "import sys; from msft_cli.simulation import main; sys.argv[0] = 'msft'; main()"
    command = [sys.executable, "-c", code, "info", str(workplace / "dataset.h5")]
    there, here = os.pipe()
    os.close(there)
    result = subprocess.run(command, stdout=here, stderr=subprocess.PIPE, text=True)
    os.close(here)
    assert result.stderr == ""


def test_measured_frames_are_no_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        file["data"] = np.zeros((3, 16, 16))
    result = run(invert, "train", tmp_path / "exp.h5", "-o", tmp_path / "model")
    assert_refused(result, "dataset")
    assert "measured frames are for `invert predict`" in result.stderr


def test_workers_give_the_same_dataset(tmp_path: Path) -> None:
    for workers in (1, 2):
        path = tmp_path / f"{workers}.h5"
        result = run(msft, "generate", "--n", 150, "--workers", workers, "-o", path, *SMALL)
        assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "1.h5") as one, h5py.File(tmp_path / "2.h5") as two:
        np.testing.assert_array_equal(one["entry_1/data_1/data"][:], two["entry_1/data_1/data"][:])


def test_a_mixture_is_generated_checked_and_shown_but_not_trained_on(workplace: Path, tmp_path: Path) -> None:
    config, path = tmp_path / "c.toml", tmp_path / "mixed.h5"
    config.write_text(
        "[particles]\nstretch_range = [0.8, 1.2]\n[particles.body]\nicosahedron = 0.5\ncube = 0.5\n"
        "[particles.radius]\nkind = 'log-normal'\nmedian = 50\nsigma = 0.2\n"
        "[uncertainty]\nwavelength = 0.1\n"
    )
    result = run(msft, "generate", "--n", 100, "--config", config, "-o", path, *SMALL)
    assert result.exit_code == 0, result.output
    checked = run(msft, "validate", path, "--json")
    assert json.loads(checked.stdout)["faults"] == {}
    assert set(json.loads(run(msft, "info", path, "--json").stdout)["body"]) == {"icosahedron", "cube"}
    assert run(msft, "show", path, "--quiet").exit_code == 0
    assert_refused(run(invert, "train", path, "-o", tmp_path / "m", "--quiet"), "body")


def test_faults_and_other_files(workplace: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes((workplace / "exp.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        file["entry_1/sample_1/radius"][:] *= 1.01
    result = run(msft, "validate", copy, "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "FAULT 12 of 12 patterns simulated again" in run(msft, "validate", copy, "--sample", 50).stdout
    with h5py.File(tmp_path / "other.cxi", "w") as file:
        file["entry_1/data_1/data"] = np.zeros((3, 4, 5), "u2")
    assert "3 x 4 x 5, uint16" in run(msft, "info", tmp_path / "other.cxi").stdout
    assert_refused(run(msft, "info", workplace / "experiment.toml"), "dataset")


@pytest.mark.slow
def test_the_wheel_holds_four_packages_of_ours_and_nothing_called_cli(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(root)],
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    tops = {name.split("/")[0] for name in ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "msft",
        "augment",
        "invert",
        "msft_cli",
    }
    modules = {Path(name).name for name in ZipFile(wheel).namelist()}
    assert not {"msft.py", "invert.py"} & modules
    assert "face_sums.cu" in modules


@pytest.mark.parametrize("app", [msft, invert])
def test_the_version_is_told(app: object) -> None:
    told = run(app, "--version")
    assert (told.exit_code, told.stdout) == (0, f"msft-invert {__version__}\n")


def test_a_table_of_many_frames_says_where_the_rest_is(tmp_path: Path) -> None:
    exp = tmp_path / "exp.h5"
    assert run(msft, "generate", "--n", 12, "--radius-max", 50, "-o", exp, "--quiet").exit_code == 0
    told = run(invert, "predict", exp, "--model", "shipped", "--no-report", "--pictures", 0)
    assert told.exit_code == 0, told.output
    assert "and 2 more, in exp.predictions.csv" in told.stdout.splitlines()
