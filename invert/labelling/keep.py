"""Frames chosen by their labels: expressions such as ``prolate & ~(bent | streak > 0.9)``.

A name stands for having the label, ``name > 0.9`` (or ``<``, ``>=``, ``<=``) compares its probability; ``~``
binds tighter than ``&``, and ``&`` tighter than ``|``; a name with blanks stands in double quotes. Nothing of
an expression is evaluated as Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invert.frames import FrameSource, Portion
from invert.labelling.classify import Labelling, read_labelling
from msft.errors import ParameterError

Chosen = NDArray[np.bool_]

LONGEST = 400
"""Characters of an expression; its parser calls itself for every bracket."""

_TOKEN = re.compile(
    r"""\s*(?:("[^"]+"|[^\W\d][\w/-]*)|(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(<=|>=|[<>&|~()]))"""
)
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
    # a frame that was not looked at has no label, and lacks none
    return _Parser(expression, labelling).whole() & ~np.isnan(labelling.probabilities).all(axis=1)


@dataclass(frozen=True)
class Selection:
    """Which frames of a file fulfil an expression.

    Attributes
    ----------
    expression
        On labels.
    chosen
        Whether each frame that was labelled does, by its number.
    """

    expression: str
    chosen: dict[int, bool]

    def numbers(self, wanted: range) -> list[int]:
        """Numbers of those of some frames that fulfil it.

        Raises
        ------
        ParameterError
            If one of them was not labelled, or none fulfils it.
        """
        missing = next((number for number in wanted if number not in self.chosen), None)
        if missing is not None:
            raise ParameterError("classes", f"labels without frame {missing}", "labels of every frame")
        numbers = [number for number in wanted if self.chosen[number]]
        if not numbers:
            raise ParameterError("keep", self.expression, f"labels that one of {len(wanted)} frames has")
        return numbers

    def portions(
        self, source: FrameSource, wanted: range, first: int = 0, at_once: int | None = None
    ) -> Iterator[Portion]:
        """These frames of an open file without the first few, in portions that fit into memory."""
        left = frozenset(self.numbers(wanted)[first:])
        for numbers, _ in source.portions(slice(wanted.start, wanted.stop), at_once=at_once):
            kept = np.flatnonzero([number in left for number in numbers])
            if len(kept):
                yield Portion(numbers, kept)


def select(expression: str, classes: Path, source: FrameSource) -> Selection:
    """The frames of an open file that fulfil an expression, by what `invert classify` wrote about them.

    Raises
    ------
    ParameterError
        If the expression is wrong, or the labels are of another file, or of this one before it was changed.
    """
    labelling = read_labelling(classes)
    chosen = dict(zip(labelling.frames.tolist(), choose(expression, labelling).tolist(), strict=True))
    if labelling.source != source.title:
        raise ParameterError("classes", f"{classes.name} of {labelling.source}", f"labels of {source.title}")
    if _outdated(labelling, classes, source):
        given = f"{classes.name}, written before {source.path.name} was changed"
        raise ParameterError("classes", given, "labels of the file as it is, by `invert classify`")
    return Selection(expression, chosen)


def _outdated(labelling: Labelling, classes: Path, source: FrameSource) -> bool:
    """Whether labels are of another state of the file; copies of both, whose times mean less, are no such."""
    if labelling.state in (None, source.state):
        return False
    (size, _), (size_now, changed) = labelling.state, source.state
    return size_now != size or changed > classes.stat().st_mtime_ns


def _plain(name: str) -> bool:
    """Whether a label needs no quotes."""
    found = _TOKEN.fullmatch(name)
    return found is not None and found.group(1) == name


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
        name = self._take().strip('"')
        if name not in self.labelling.names:
            raise self._wrong(f"{name!r} for a label")
        column = self.labelling.names.index(name)
        if not self.tokens or self.tokens[0] not in _COMPARISONS:
            return np.asarray(self.labelling.labels[:, column], dtype=np.bool_)
        compare, limit = _COMPARISONS[self._take()], self._take()
        try:
            probability = float(limit)
        except ValueError:
            raise self._wrong(f"{limit!r} for a number") from None
        if not 0 <= probability <= 1:
            raise self._wrong(f"{limit!r} for a probability from 0 to 1")
        return compare(self.labelling.probabilities[:, column], probability)

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
        names = ", ".join(name if _plain(name) else f'"{name}"' for name in self.labelling.names)
        return ParameterError("keep", f"{self.expression!r} with {what}", f"& | ~ ( ) and < > with {names}")
