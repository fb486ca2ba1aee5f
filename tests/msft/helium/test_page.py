"""The numbers of docs/helium.md are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msft.helium.index import HBAR_C, refractive_index
from msft.helium.labels import COUNTS
from msft.units import ELECTRONVOLT, wavelength_of_energy

PAGE = Path(__file__).parents[3] / "docs" / "helium.md"


def rows(pattern: str) -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if re.match(pattern, line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_label_stands_with_its_count() -> None:
    found = {cells[0].strip("`"): int(cells[-1].replace(",", "")) for cells in rows(r"\| `")}
    assert list(found.items()) == list(COUNTS.items())


def test_the_table_of_the_index_is_what_it_gives() -> None:
    table = rows(r"\| \d")
    assert len(table) == 10
    for cells in table:
        energy, wavelength, delta, beta, length = map(float, cells)
        assert wavelength == pytest.approx(wavelength_of_energy(energy * ELECTRONVOLT), abs=0.05)
        assert (delta, beta) == pytest.approx(refractive_index(energy), abs=5e-5)
        assert length == pytest.approx(HBAR_C / (2 * refractive_index(energy)[1] * energy), abs=0.5)
