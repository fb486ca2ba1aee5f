"""Frames chosen by their labels: expressions such as ``prolate & ~(bent | streak > 0.9)``.

A name stands for having the label, ``name > 0.9`` (or ``<``, ``>=``, ``<=``) compares its probability; ``~``
binds tighter than ``&``, and ``&`` tighter than ``|``. Nothing of an expression is evaluated as Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invert.classify import Labelling, read_labelling
from invert.frames import Frames
from msft.errors import ParameterError

Chosen = NDArray[np.bool_]

LONGEST = 400
"""Characters of an expression; its parser calls itself for every bracket."""

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w/-]*)|(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(<=|>=|[<>&|~()]))")
_COMPARISONS: dict[str, Callable[[NDArray[np.float32], float], Chosen]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def choose(expression: str, labelling: Labelling) -> Chosen:
    """Which frames fulfil an expression, bool, shape (N,).

    Raises
    ------
    ParameterError
        If it is not an expression, or names a label that the classifier does not know.
    """
    if len(expression) > LONGEST:
        raise ParameterError("keep", f"{len(expression)} characters", f"at most {LONGEST}")
    return _Parser(expression, labelling).whole()


def kept(frames: Frames, expression: str, classes: Path) -> Frames:
    """The frames that fulfil an expression, by what `invert classify` wrote about them.

    Parameters
    ----------
    frames
        Of a file, or some of them.
    expression
        On labels.
    classes
        The file of `invert classify`.

    Raises
    ------
    ParameterError
        If the expression is wrong, the labels are of other frames, or no frame is left.
    """
    labelling = read_labelling(classes)
    chosen = dict(zip(labelling.frames.tolist(), choose(expression, labelling).tolist(), strict=True))
    if labelling.source != frames.source:
        raise ParameterError("classes", f"{classes.name} of {labelling.source}", f"labels of {frames.source}")
    numbers = frames.numbers.tolist()
    missing = [number for number in numbers if number not in chosen]
    if missing:
        raise ParameterError("classes", f"{classes.name} without frame {missing[0]}", "labels of every frame")
    rows = np.flatnonzero([chosen[number] for number in numbers])
    if not len(rows):
        raise ParameterError("keep", expression, f"labels that one of {len(numbers)} frames has")
    return replace(
        frames,
        images=frames.images[rows],
        valid=frames.valid[rows],
        numbers=frames.numbers[rows],
        truth=None if frames.truth is None else frames.truth[rows],
        readable=None if frames.readable is None else frames.readable[rows],
    )


class _Parser:
    """Recursive descent: each method takes the tokens of its rule and returns which frames fulfil it."""

    def __init__(self, expression: str, labelling: Labelling) -> None:
        self.expression, self.labelling = expression, labelling
        self.tokens = self._tokens()

    def whole(self) -> Chosen:
        chosen = self._either()
        if self.tokens:
            raise self._wrong(f"{self.tokens[0]!r} where the expression should end")
        return chosen

    def _tokens(self) -> list[str]:
        tokens, place, text = [], 0, self.expression.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(f"{text[place:].strip()[0]!r}")
            tokens.append(match.group().strip())
            place = match.end()
        return tokens

    def _either(self) -> Chosen:
        chosen = self._both()
        while self._next_is("|"):
            chosen = self._both() | chosen
        return chosen

    def _both(self) -> Chosen:
        chosen = self._one()
        while self._next_is("&"):
            chosen = self._one() & chosen
        return chosen

    def _one(self) -> Chosen:
        if self._next_is("~"):
            return ~self._one()
        if self._next_is("("):
            chosen = self._either()
            if not self._next_is(")"):
                raise self._wrong("a bracket that is not closed")
            return chosen
        return self._label()

    def _label(self) -> Chosen:
        name = self._take()
        if name not in self.labelling.names:
            raise self._wrong(f"{name!r} for a label")
        column = self.labelling.names.index(name)
        if not self.tokens or self.tokens[0] not in _COMPARISONS:
            return np.asarray(self.labelling.labels[:, column], dtype=np.bool_)
        compare, limit = _COMPARISONS[self._take()], self._take()
        try:
            return compare(self.labelling.probabilities[:, column], float(limit))
        except ValueError:
            raise self._wrong(f"{limit!r} for a number") from None

    def _next_is(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _take(self) -> str:
        if not self.tokens:
            raise self._wrong("its end where a label or number should stand")
        return self.tokens.pop(0)

    def _wrong(self, what: str) -> ParameterError:
        names = ", ".join(self.labelling.names)
        return ParameterError("keep", f"{self.expression!r} with {what}", f"& | ~ ( ) and < > with {names}")
