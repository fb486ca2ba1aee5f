"""Two processes that train one network, as users start them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from invert.training.hardware import Hardware
from invert.training.synchronised import SynchronisedBatchNorm, synchronise
from invert.training.trainer import Plan, train
from msft.errors import ParameterError

from .test_trainer import classification

# With the seed 0 the gradient of one weight of thousands is nothing but rounding, which two processes share
# in another way than one does, and AdamW makes a whole step of it.
CONFIGURATION = """
target = "code"
[network]
blocks = [1, 1]
width = 8
activation = "relu"
[training]
images = 480
batch = 32
seed = 1
learning_rate = 6e-3
filters = ["identity", "uniform_noise", "experiment"]
"""


def invert_train(folder: Path, dataset: Path, out: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "invert"  # as the installed command: Lightning starts it again for the second process
    script.write_text("from msft_cli.inversion import main\n\nmain()\n")
    (folder / "experiment.toml").write_text(CONFIGURATION)
    command = [sys.executable, str(script), "train", str(dataset), "-o", out, "--config", "experiment.toml"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.mark.slow
def test_two_processes_give_what_one_gives_at_the_same_batch(folder: Path, small_dataset: Path) -> None:
    one = invert_train(folder, small_dataset, "one", "--json")
    two = invert_train(folder, small_dataset, "two", "--devices", "2", "--json", "--logger", "csv")
    assert one.returncode == two.returncode == 0, two.stderr
    assert two.stdout.count("\n") == 1, "one process reports"
    assert two.stderr == ""
    assert json.loads(two.stdout)["errors"].keys() == json.loads(one.stdout)["errors"].keys()
    alone, together = (load_file(folder / name / "weights.safetensors") for name in ("one", "two"))
    assert alone.keys() == together.keys()
    for name in alone:
        if not name.startswith("uncertainty."):  # learned afterwards, from errors
            torch.testing.assert_close(together[name], alone[name], atol=2e-3, rtol=2e-3, msg=name)
    curves = [list(csv.DictReader((folder / name / "curves.csv").open())) for name in ("one", "two")]
    for first, second in zip(*curves, strict=True):
        assert float(second["train_loss"]) == pytest.approx(float(first["train_loss"]), rel=1e-3)
        assert float(second["validation_loss"]) == pytest.approx(float(first["validation_loss"]), rel=1e-2)
    logged = list(csv.DictReader((folder / "two.logs" / "metrics.csv").open()))
    assert [row["validation_loss"] for row in logged] == [row["validation_loss"] for row in curves[1]]
    assert not [path for path in folder.iterdir() if "partial" in path.name]


def test_the_synchronised_norm_is_the_norm_where_there_is_one_process() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sequential(nn.BatchNorm2d(3)), nn.BatchNorm1d(4))
    images = torch.randn(5, 1, 6, 6)
    expected = plain[:2](images)
    state = {name: value.clone() for name, value in plain.state_dict().items()}
    synchronise(plain)
    assert isinstance(plain[1][0], SynchronisedBatchNorm)  # type: ignore[index]
    assert type(plain[2]) is nn.BatchNorm1d
    assert plain.state_dict().keys() == state.keys()
    assert torch.allclose(plain[:2](images), expected)


def test_hardware_that_is_not_there_and_batches_that_cannot_be_shared_are_refused() -> None:
    cpu = torch.device("cpu")
    for values, field in (({"devices": 0}, "devices"), ({"nodes": 0}, "nodes")):
        with pytest.raises(ParameterError, match=field):
            Hardware(cpu, **values)
    with pytest.raises(ParameterError, match="devices"):
        Hardware(torch.device("cuda"), torch.cuda.device_count() + 1)
    with pytest.raises(ParameterError, match=r"training\.batch"):
        train(classification(), Plan(images=90, batch=15, seed=0), Hardware(cpu, 2))
