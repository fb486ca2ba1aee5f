"""The commands as users type them, and a network that has learnt nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from invert.backbone import ResidualConfiguration
from invert.checkpoint import save
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from msft.detector import EwaldDetector
from msft.pattern import Simulation


def run(app: object, *arguments: object) -> Result:
    """What a command does with some words."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])  # type: ignore[arg-type]


def assert_refused(result: Result, field: str) -> None:
    """Bad input: exit code 2, and one line that names the field, the value and what is allowed."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert re.match(rf"error: {re.escape(field)}: got .*allowed: ", lines[0]), lines[0]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    configuration = ModelConfiguration(
        ResidualConfiguration((1,), 4), simulation=Simulation(detector=EwaldDetector(32, 0.0148))
    )
    save(folder, Model(configuration), TrainingConfiguration(), {})
    return folder
