"""Bodies by name."""

from __future__ import annotations

import pytest

from msft.bodies import BODIES, named
from msft.errors import ParameterError


@pytest.mark.parametrize("name", sorted(BODIES))
def test_a_named_body_knows_its_name(name: str) -> None:
    assert named(name).name == name
    assert named(name) is named(name)


@pytest.mark.parametrize("name", ["", "Icosahedron", "dodecahedrom"])
def test_an_unknown_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ParameterError, match="icosahedron") as caught:
        named(name)
    assert caught.value.field == "body"
