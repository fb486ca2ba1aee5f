"""The eleven labels and the rules between them."""

import numpy as np
import pytest

from msft.errors import ParameterError
from msft.helium.labels import COUNTS, IMAGES, NAMES, RULES, broken_rules


def labelled(*images: str) -> np.ndarray:
    """Labels from words: one string of names per image."""
    return np.array([[name in image.split() for name in NAMES] for image in images])


def test_the_order_and_the_frequencies_are_those_of_table_1() -> None:
    assert NAMES[:5] == ("oblate", "round", "elliptical", "prolate", "streak")
    assert NAMES[5:] == ("bent", "asymmetric", "newton_rings", "double_rings", "layered", "empty")
    # percentages as the paper prints them, but for "empty", whose released count is another
    percent = [90.7, 79.7, 11.0, 6.2, 3.3, 5.4, 5.1, 6.3, 3.0, 0.7, 2.9]
    found = [round(100 * COUNTS[name] / IMAGES, 1) for name in NAMES]
    assert np.allclose(found, percent, atol=0.1001)
    # no image is both oblate and prolate, and nearly all are one of the two or empty
    assert IMAGES - (COUNTS["oblate"] + COUNTS["prolate"] + COUNTS["empty"]) == 11


def test_possible_labels_break_no_rule() -> None:
    labels = labelled(
        "empty",
        "oblate round double_rings",
        "oblate elliptical newton_rings",
        "prolate streak bent",
        "asymmetric",
        "",
    )
    assert broken_rules(labels) == dict.fromkeys(RULES, 0)
    assert broken_rules(labels.astype(np.uint8)) == dict.fromkeys(RULES, 0)


@pytest.mark.parametrize(
    ("image", "rules"),
    [
        ("empty asymmetric", [0]),
        ("oblate prolate", [1]),
        ("oblate round elliptical", [2]),
        ("round", [3]),
        ("elliptical", [4]),
        ("prolate round", [3]),
        ("empty oblate prolate round elliptical", [0, 1, 2]),
    ],
)
def test_each_rule_is_counted(image: str, rules: list[int]) -> None:
    counts = broken_rules(labelled(image, "oblate round", image))
    assert counts == {rule: 2 if number in rules else 0 for number, rule in enumerate(RULES)}


def test_arrays_that_are_no_labels_are_refused() -> None:
    with pytest.raises(ParameterError, match="shape"):
        broken_rules(np.zeros((3, 10)))
    with pytest.raises(ParameterError, match=r"0\.4"):
        broken_rules(np.full((3, 11), 0.4))
