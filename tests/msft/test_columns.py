"""Columns of many particles in one compiled call are those of each alone, whatever bodies and threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.backends import columns as compiled
from msft.backends.chebyshev_cupy import batches
from msft.backends.column_batch import Extents, batch_of_columns, extents
from msft.bodies import ChordedBody, Dumbbell, Ellipsoid, Sphere, Twins, named
from msft.bodies.creases import OUTLINE, curves_along, segment
from msft.bodies.overlaps import overlaps
from msft.bodies.shape import CURVES, ELLIPSOIDS, FACES, SILHOUETTES, WIDTHS, Shape, table
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.rotation import random_rotations, rotation_matrix
from msft.solvers.quadrature import Columns, ManyColumns, Rates, columns, columns_of_many
from msft.solvers.series import series

NAMES = ["icosahedron", "dumbbell(1.5,0.4)", "sphere", "nothing", "capsule", "twins(1.5)", "cube", "sphere"]
"""With one chord, two and three; with faces and without; one body twice, and a particle without columns."""

RADII = np.array([40.0, 70.0, 20.0, 50.0, 90.0, 60.0, 35.0, 110.0])
TURNS = rotation_matrix(random_rotations(np.random.default_rng(4), len(RADII)))
RATES = Rates(0.4, 0.3, 0.08, 0.08)


def bodies() -> list[ChordedBody]:
    found = [named(name) for name in NAMES]
    return [body for body in found if isinstance(body, ChordedBody)]


def together() -> ManyColumns:
    return columns_of_many(bodies(), RADII, TURNS, RATES, 1e-4)


def assert_same(one: Columns, other: Columns) -> None:
    """Bit for bit; some of the chords may be empty."""
    for name in ("y", "start", "x", "weight"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    for enter, leave in ((one.z_in, other.z_in), (one.z_out, other.z_out)):
        np.testing.assert_array_equal(enter[: len(leave)], leave)
        assert not enter[len(leave) :].any()


def test_many_particles_are_those_one_by_one() -> None:
    many = together()
    assert len(many) == len(RADII)
    for body, radius, turn, found in zip(bodies(), RADII, TURNS, many, strict=True):
        alone = columns(body, float(radius), turn, RATES, 1e-4)
        assert_same(found, alone)
        assert len(alone.z_in) == {"dumbbell": 3, "twins": 2}.get(body.name.partition("(")[0], 1)
        assert (len(alone.x) == 0) == (body.name == "nothing")


def test_a_part_is_those_particles_and_the_whole_is_not_copied() -> None:
    many = together()
    assert many.part(slice(None)) is many
    some = many.part(slice(2, 6))
    for found, expected in zip(some, list(many)[2:6], strict=True):
        assert_same(found, expected)
    one = ManyColumns.of(many[1])
    assert_same(one[0], many[1])
    assert np.shares_memory(one[0].z_in, one.z_in)


def test_threads_make_the_same() -> None:
    shares = [
        [body for body in bodies() if body.name == name] for name in ("sphere", "cube", "dumbbell(1.5,0.4)")
    ]

    def make(number: int) -> ManyColumns:
        share = shares[number % len(shares)] * 4
        turns = TURNS[np.arange(len(share)) % len(TURNS)]
        return columns_of_many(share, np.full(len(share), 30.0 + number), turns, RATES, 1e-3)

    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(make, range(24))):
            for one, other in zip(found, make(number), strict=True):
                assert_same(one, other)


def test_a_particle_with_too_many_columns_is_refused_in_any_place() -> None:
    sphere, layered = named("sphere"), named("layered(0.9,0.5)")
    assert isinstance(sphere, ChordedBody)
    assert isinstance(layered, ChordedBody)
    for some in ([sphere, layered], [layered, sphere]):
        radii = np.array([8e3 if body is layered else 10.0 for body in some])
        with pytest.raises(ParameterError, match="columns"):
            columns_of_many(some, radii, TURNS[:2], Rates(0.465, 0.465, 0.0), 1e-7)
    assert compiled.MOST_COLUMNS == 10**7


def test_a_batch_has_of_each_particle_what_it_has_alone() -> None:
    many = together()
    shared = series((1.0,), Optics(), EwaldDetector(), 120.0, 1e-4)
    of_all = extents(many, shared)
    batch = batch_of_columns(many, of_all, shared)
    assert np.shares_memory(batch.positions, many.positions)
    assert np.shares_memory(batch.z_in, many.z_in)
    for particle, one in enumerate(many):
        alone = extents(ManyColumns.of(one), shared)
        for name, found, expected in zip(Extents._fields, of_all, alone, strict=True):
            assert found[particle] == expected[0], name
        if len(one.x):
            # no light comes from behind what absorbs it, so that the depths begin where the body does
            assert of_all.middle[particle] - of_all.half[particle] == pytest.approx(one.z_in.min(), abs=1e-9)
        own = batch_of_columns(ManyColumns.of(one), alone, shared)
        closed = alone.closed[0]
        np.testing.assert_array_equal(batch.factors[particle, :, :closed], own.factors[0])
        assert not batch.factors[particle, :, closed:].any()
        assert (batch.particle_of_row == particle).sum() == len(one.y)
    nothing = NAMES.index("nothing")
    assert (of_all.orders[nothing], of_all.columns[nothing]) == (1, 0)


def test_batches_are_in_order_and_leave_out_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = series((1.0,), Optics(), EwaldDetector(), 120.0, 1e-4)
    of_all = extents(together(), shared)
    for most in (1, 10**6, 10**7, 10**8, 10**12):
        monkeypatch.setattr("msft.backends.chebyshev_cupy.BATCH_BYTES", most)
        found = batches(of_all, 64, 1, 4)
        assert [i for one in found for i in range(len(RADII))[one]] == list(range(len(RADII)))
        assert len(found) == len(RADII) or most > 1
    assert len(found) == 1


def test_a_packed_shape_has_the_tables_of_the_body() -> None:
    for body in bodies():
        packed = np.concatenate([body.numbers, [7.0]])  # of the next body
        shape = body.shape
        for which, expected in enumerate(shape[2:]):
            found = table(packed, which)
            np.testing.assert_array_equal(found, expected)
            assert found.shape[1] == WIDTHS[which]
    ellipsoid = Ellipsoid((1.0, 0.5, 0.25)).numbers
    np.testing.assert_array_equal(table(ellipsoid, ELLIPSOIDS), [[0.0, 1.0, 0.5, 0.25]])
    assert len(table(ellipsoid, SILHOUETTES)) == 1
    assert len(table(ellipsoid, FACES)) == len(table(ellipsoid, CURVES)) == 0
    assert Sphere().numbers.tolist() == Ellipsoid((1.0, 1.0, 1.0)).numbers.tolist()


def test_seen_along_its_axis_a_capsule_has_but_its_rings() -> None:
    body = named("capsule")
    assert isinstance(body, Dumbbell)
    along = curves_along(body.numbers, np.array([0.0, 0.0, 1.0]))
    assert len(along) == 2
    assert not along[:, OUTLINE].any()
    # from the side two rings, two sides and the halves of two silhouettes
    assert len(curves_along(body.numbers, np.array([1.0, 0.0, 0.0]))) == 6


def curve(
    centre: list[float], cosine: list[float], sine: list[float], least: float = -1.0
) -> NDArray[np.float64]:
    return np.array([*centre, *cosine, *sine, 1.0, least])


CIRCLE = curve([0, 0, 3], [1, 0, 0], [0, 1, 0])
CROSSED = [
    ("equal circles", curve([1, 0, 0], [1, 0, 0], [0, 1, 0]), [[0.5, -(0.75**0.5)], [0.5, 0.75**0.5]]),
    ("another phase", curve([1, 0, 0], [0, 1, 0], [-1, 0, 0]), [[0.5, -(0.75**0.5)], [0.5, 0.75**0.5]]),
    ("four points", curve([0, 0, 0], [2, 0, 0], [0, 0.5, 0]),
     [[sign * 0.8**0.5, up * 0.2**0.5] for sign in (-1, 1) for up in (-1, 1)]),
    ("touching", curve([3, 0, 0], [2, 0, 0], [0, 1.5, 0]), [[1, 0]]),
    ("a segment", curve([0.6, 0, 0], [0, 2, 0], [0, 0, 0]), [[0.6, -0.8], [0.6, 0.8]]),
    ("its half", curve([0.6, 1, 0], [0, 0.5, 0], [0, 0, 0]), [[0.6, 0.8]]),
    ("a part", curve([1, 0, 0], [0, 1, 0], [-1, 0, 0], 0.0), [[0.5, 0.75**0.5]]),
    ("apart", curve([4, 0, 0], [1, 0, 0], [0, 1, 0]), []),
    ("inside", curve([0.1, 0, 0], [0.3, 0, 0], [0, 0.3, 0]), []),
    ("concentric", curve([0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]), []),
]  # fmt: skip


@pytest.mark.parametrize("case", CROSSED, ids=lambda case: case[0])
@pytest.mark.parametrize("first", [True, False])
def test_outlines_cross_in_known_points(
    case: tuple[str, NDArray[np.float64], list[list[float]]], first: bool
) -> None:
    name, other, expected = case
    # where curves touch two roots are one, which rounding parts by the square root of its own size
    nearly = 1e-6 if name == "touching" else 1e-9
    found = overlaps(np.array([CIRCLE, other] if first else [other, CIRCLE]), False)
    gaps = np.linalg.norm(np.array(expected).reshape(-1, 1, 2) - found, axis=2)
    assert (gaps.min(axis=1, initial=9.0) < nearly).all()
    assert (gaps.min(axis=0, initial=9.0) < nearly).all()


def test_only_outlines_overlap() -> None:
    body = named("twins(1.5)")
    assert isinstance(body, Twins)
    curves = curves_along(body.numbers, np.array([1.0, 0.0, 0.0]))
    assert len(curves) == 3  # where the droplets meet, and their silhouettes, which end there
    edges = Shape.of(curves=np.concatenate([CIRCLE[:9], [0.0, -1.0]])).curves
    assert len(overlaps(np.concatenate([edges, edges + 0.1]), False)) == 0


def test_straight_edges_cross_where_they_are_asked_for() -> None:
    corners = np.array([[[-1, -1, 5], [2, 2, 7]], [[1, -1, -3], [-1, 1, 0]], [[2, 2, 7], [1, -1, -3]]], float)
    edges = segment(corners[:, 0], corners[:, 1])
    assert len(overlaps(edges, False)) == 0
    # the third begins and ends where the others do
    assert overlaps(edges, True) == pytest.approx(np.zeros((1, 2)))
    parallel = segment(corners[:1, 0] + 1.0, corners[:1, 1] + [1.0, 1.0, 9.0])
    assert len(overlaps(np.concatenate([edges[:1], parallel]), True)) == 0
