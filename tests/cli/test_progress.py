"""What commands say while they work."""

import numba
import pytest
from msft_cli.common import compilation_told


def compiled_anew() -> None:
    """Compile two functions that no cache holds."""
    for number in range(2):
        assert numba.njit(lambda x, more=number: x + more)(1.0) == 1.0 + number


def test_compilation_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with compilation_told(quiet=False):
        compiled_anew()
    assert capsys.readouterr().err.splitlines() == ["compiling for this machine, once: about half a minute"]


def test_quiet_and_what_is_compiled_afterwards_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with compilation_told(quiet=True):
        compiled_anew()
    with compilation_told(quiet=False):
        pass
    compiled_anew()
    assert capsys.readouterr().err == ""
