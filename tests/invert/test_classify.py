"""Labels of frames: their file, their table, and frames chosen by expressions on them."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invert.frames import Reading, open_frames
from invert.labelling import classifier as classifiers
from invert.labelling.classify import (
    Labelling,
    classify,
    classify_stream,
    read_labelling,
    write_labelling,
    write_table,
)
from invert.labelling.keep import LONGEST, choose, select
from msft.errors import ParameterError
from msft.helium.labels import NAMES as HELIUM
from tests.invert.conftest import frames_of
from tests.invert.labelled import NAMES, images_and_labels

COMBINATIONS = np.array(list(itertools.product([0.1, 0.9], repeat=3)), dtype=np.float32)
ALL = Labelling(("a", "b", "c"), COMBINATIONS, np.arange(8), "exp.h5:/data")


def test_frames_get_the_labels_that_they_show(classifier_folder: Path) -> None:
    images, labels = images_and_labels(100, 5)
    model = classifiers.load(classifier_folder).classifier
    done: list[int] = []
    found = classify(model, frames_of(images, numbers=np.arange(50, 150)), progress=done.append)
    assert found.names == NAMES
    assert found.frames[0] == 50
    assert np.mean(found.labels == labels) > 0.95
    assert np.array_equal(found.labels, found.probabilities >= 0.5)
    assert sum(done) == 100
    # a frame alone, and in another unit, has the probabilities it has among others
    alone = classify(model, frames_of(1e6 * images[3:4]))
    assert np.allclose(alone.probabilities[0], found.probabilities[3], atol=1e-5)
    with pytest.raises(ParameterError, match="threshold"):
        classify(model, frames_of(images), threshold=1.0)
    with pytest.raises(ParameterError, match="frames: got 7 x 7 pixels"):
        classify(model, frames_of(images[:, :7, :7]))


def test_an_open_file_is_labelled_batch_by_batch(classifier_folder: Path, tmp_path: Path) -> None:
    images, _ = images_and_labels(150, 5)
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        file["images"] = images
    model = classifiers.load(classifier_folder).classifier
    whole = classify(model, frames_of(images)).probabilities
    with open_frames(tmp_path / "exp.h5", Reading(scale="linear")) as source:
        assert len(list(source.portions())) > 1
        found = classify_stream(model, source, slice(10, None))
        assert found.frames.tolist() == list(range(10, 150))
        assert np.allclose(found.probabilities, whole[10:], atol=1e-5)
        with pytest.raises(ParameterError, match="frames"):
            classify_stream(model, source, slice(150, None))


def test_frames_that_the_file_did_not_give_have_no_label(classifier_folder: Path) -> None:
    frames = frames_of(images_and_labels(3, 5)[0])
    frames = dataclasses.replace(frames, readable=np.array([True, False, True]))
    found = classify(classifiers.load(classifier_folder).classifier, frames, threshold=0.001)
    assert np.isnan(found.probabilities[1]).all()
    assert not np.isnan(found.probabilities[::2]).any()
    assert found.labels[1].sum() == 0


def test_frames_without_a_valid_pixel_have_no_label(classifier_folder: Path) -> None:
    images = images_and_labels(3, 5)[0]
    images[1] = np.nan
    found = classify(classifiers.load(classifier_folder).classifier, frames_of(images), threshold=0.001)
    assert np.isnan(found.probabilities).all(axis=1).tolist() == [False, True, False]
    assert found.lines()[-1] == "1 frames without a valid pixel: no labels"


def test_the_file_and_the_table_hold_what_was_found(tmp_path: Path) -> None:
    path, table = tmp_path / "exp.classes.h5", tmp_path / "exp.classes.csv"
    write_labelling(path, ALL, {"program": "test"})
    write_table(table, ALL)
    with h5py.File(path) as file:
        result = file["/entry_1/result_1"]
        assert list(result["labels"].attrs["names"]) == ["a", "b", "c"]
        assert result["labels"].dtype == np.uint8
        assert np.array_equal(result["labels"][:], COMBINATIONS > 0.5)
        assert result["probabilities"].dtype == np.float32
        assert result["source"].asstr()[7] == "exp.h5:/data"
    read = read_labelling(path)
    assert (read.names, read.source, read.threshold) == (ALL.names, ALL.source, 0.5)
    assert np.array_equal(read.probabilities, COMBINATIONS)
    rows = list(csv.DictReader(table.open()))
    labels = ["", "c", "b", "b; c", "a", "a; c", "a; b", "a; b; c"]
    assert [row["labels"] for row in rows] == labels
    assert rows[1]["c"] == "0.9000"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ParameterError, match="classes"):
        read_labelling(tmp_path / "other.h5")


def test_a_label_is_given_from_its_threshold_on() -> None:
    chances = np.array([[0.2, 0.5, 0.55]], dtype=np.float32)
    for threshold, names in ((0.5, ["b", "c"]), (0.55, ["c"]), (0.1, ["a", "b", "c"])):
        labelling = Labelling(("a", "b", "c"), chances, np.arange(1), "", threshold)
        assert labelling.names_of(0) == names


def test_frames_that_break_rules_are_counted() -> None:
    chances = np.zeros((2, 11), dtype=np.float32)
    chances[0, [HELIUM.index("empty"), HELIUM.index("prolate")]] = 1
    labelling = Labelling(HELIUM, chances, np.arange(2), "")
    assert sum(labelling.broken_rules().values()) == 1
    assert labelling.lines()[-1] == "1 frames break: empty excludes every other label"
    assert ALL.broken_rules() == {}


@pytest.mark.parametrize(
    ("expression", "python"),
    [
        ("a", "a"),
        ("~a", "not a"),
        ("a & ~b", "a and not b"),
        ("a | b & c", "a or (b and c)"),
        ("(a | b) & c", "(a or b) and c"),
        ("~(a & b) | ~~c", "not (a and b) or c"),
        ("~a & b", "(not a) and b"),
        ("a > .5 & b < 5e-1", "a and not b"),
        (" a>=0.9|b<=0.2 ", "a or not b"),
        ("a > 0.95", "False"),
    ],
)
def test_expressions_choose_the_frames_that_python_would(expression: str, python: str) -> None:
    chosen = choose(expression, ALL)
    # the frames are all combinations of having the labels
    values = [dict(zip("abc", map(bool, row > 0.5), strict=True)) for row in COMBINATIONS]
    assert chosen.tolist() == [bool(eval(python, {}, value)) for value in values]


@pytest.mark.parametrize(
    ("expression", "name"),
    [('"newton rings"', "newton rings"), ('~"a & b"|"newton rings" > 0.5', "newton rings"), ("groß", "groß")],
)
def test_labels_of_any_name_can_be_asked_for(expression: str, name: str) -> None:
    names = ("newton rings", "a & b", "groß")
    labelling = dataclasses.replace(ALL, names=names)
    alone = COMBINATIONS[:, names.index(name)] > 0.5
    expected = alone | (COMBINATIONS[:, 1] <= 0.5) if "a & b" in expression else alone
    assert np.array_equal(choose(expression, labelling), expected)
    with pytest.raises(ParameterError, match='with "newton rings", "a & b", groß'):
        choose("newton", labelling)


@given(st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.one_of(
        inner.map(lambda x: f"~({x})"),
        st.tuples(inner, st.sampled_from("&|"), inner).map(lambda x: f"({x[0]}){x[1]}{x[2]}"),
    ),
    max_leaves=8,
))  # fmt: skip
def test_any_expression_chooses_what_numpy_would(expression: str) -> None:
    columns = {name: COMBINATIONS[:, column] > 0.5 for column, name in enumerate("abc")}
    expected = eval(expression, {}, columns)  # & | ~ of NumPy have the same precedence
    assert np.array_equal(choose(expression, ALL), expected)


@pytest.mark.parametrize(
    "expression",
    ["", "d", "a &", "a b", "(a", "a)", "a > b", "a > ", "& a", "a && b", "a; b", "0.5 < a", "a == b",
     "__import__('os')", "a.b", "a > 0.5.5", "~", "\x00", "a" * (LONGEST + 1), "()",
     "a > nan", "a < inf", "a < 50", "a > 1.001", "a < 1e400"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ParameterError, match="keep: got"):
        choose(expression, ALL)


def test_a_frame_that_was_not_looked_at_is_not_chosen_for_what_it_lacks() -> None:
    unseen = dataclasses.replace(
        ALL, probabilities=np.where(np.arange(8)[:, None] == 2, np.nan, COMBINATIONS)
    )
    for expression in ("~a", "a < 0.5", "~(a & b)"):
        expected = choose(expression, ALL)
        assert expected[2]
        expected[2] = False
        assert np.array_equal(choose(expression, unseen), expected)


def test_brackets_as_deep_as_allowed_are_no_crash() -> None:
    depth = (LONGEST - 1) // 2
    assert choose("(" * depth + "a" + ")" * depth, ALL).any()
    assert choose("~" * (LONGEST - 1) + "a", ALL).any()


def test_selected_frames_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.h5"
    images = np.arange(8 * 64, dtype=np.float32).reshape(8, 8, 8)
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        file["images"] = images
    with open_frames(tmp_path / "exp.h5", Reading(scale="linear")) as source:
        write_labelling(path, Labelling(("a", "b", "c"), COMBINATIONS, np.arange(8), source.title), {})
        selection = select("a & ~b | c", path, source)
        assert selection.numbers(range(8)) == [1, 3, 4, 5, 7]
        for first in range(5):  # as a run goes on that did so many
            parts = [source.take(one) for one in selection.portions(source, range(8), first)]
            assert np.concatenate([part.numbers for part in parts]).tolist() == [1, 3, 4, 5, 7][first:]
            assert np.array_equal(
                np.concatenate([part.images for part in parts]), images[[1, 3, 4, 5, 7][first:]]
            )
        kept = map(source.take, selection.portions(source, range(2, 6)))
        assert [part.numbers.tolist() for part in kept] == [[3, 4, 5]]
        with pytest.raises(ParameterError, match="keep"):
            select("a & ~a", path, source).numbers(range(8))
        with pytest.raises(ParameterError, match=r"classes: got .* without frame 8"):
            selection.numbers(range(9))
        write_labelling(path, Labelling(("a", "b", "c"), COMBINATIONS, np.arange(8), "other.h5:/data"), {})
        with pytest.raises(ParameterError, match=r"classes: got .* of other.h5"):
            select("a", path, source)
