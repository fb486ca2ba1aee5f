"""docs/predictions.md names every column and flag, and the thresholds that the code has."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from invert import quality, table, uncertainty
from invert.estimate import FLAG_MEANINGS, FLAGS, POOR_AGREEMENT, POOR_FIT
from invert.fitting import fitted, forward
from invert.labelling.scores import THRESHOLD
from invert.prediction_layout import COLUMNS, IMAGES, TEXTS

PAGE = (Path(__file__).parents[1] / "docs/predictions.md").read_text()


def test_every_column_is_in_it() -> None:
    names = {name.removeprefix("alternative_1/") for name in (*COLUMNS, *TEXTS, *IMAGES)} | set(table.COLUMNS)
    assert sorted(name for name in names if not re.search(rf"`(alternative_1/)?{name}`", PAGE)) == []


def test_every_flag_has_its_row_and_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert {name: int(bit) for name, bit in rows} == FLAGS
    assert list(FLAG_MEANINGS) == list(FLAGS)


@pytest.mark.parametrize(
    "text",
    [
        f"below {POOR_AGREEMENT} (network), {POOR_FIT} (fits)",
        f"score is below {quality.LEAST_SCORE}",
        f"agreement of {quality.LEAST_AGREEMENT} it is 0",
        f"particle {fitted.APART_DEGREES:g} degrees or {fitted.APART_NM:g} nm apart",
        f"at most {fitted.TIE_RATIO} times the best one's plus {fitted.TIE_DIFFERENCE}",
        f"within {100 * fitted.BOUND:g} % of the range's width",
        f"beam is {forward.BEAM_REACH:g} pixels",
        f"exceeds {1 / math.sqrt(12):.2f} of the training's range",
        f"less than {uncertainty.ANGLE:.2f} `orientation_sigma`",
        f"({THRESHOLD}, or `--threshold`)",
    ],
)
def test_its_thresholds_are_those_of_the_code(text: str) -> None:
    assert text in " ".join(PAGE.split())
