"""Options that every command has."""

from __future__ import annotations

import pytest
import typer
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft


@pytest.mark.parametrize("application", [msft, invert], ids=["msft", "invert"])
def test_every_command_can_be_quiet_and_answer_in_json(application: typer.Typer) -> None:
    commands = typer.main.get_group(application).commands
    assert len(commands) >= 6
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--quiet", "--json"} <= options, name
