"""Where the columns of the Chebyshev solver stand, and how many terms its series needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.backends.spline import filled_blocks, sample
from msft.bodies import BODIES, ChordedBody, Voxels, named
from msft.bodies.creases import LEAST, OUTLINE, curves_along, turned
from msft.bodies.overlaps import overlaps
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.rotation import as_quaternions, rotation_matrix
from msft.solvers.chebyshev import Common
from msft.solvers.quadrature import Columns, Rates, columns
from msft.solvers.series import series, terms

TURNS = [rotation_matrix(as_quaternions(q)) for q in ([1, 0, 0, 0], [0.9, 0.25, -0.1, 0.33], [1, 1, 0, 0])]
CHORDED = [name for name in BODIES if isinstance(named(name), ChordedBody) and name != "nothing"]


@pytest.mark.parametrize("name", [*CHORDED, "dumbbell(1,0)", "capsule(4)", "twins(1.2,0.7,1.3)"])
@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("factor", [1.0, 0.4, 1.7])
def test_columns_fill_the_volume(name: str, turn: int, factor: float) -> None:
    body = named(name).stretched(factor)
    assert isinstance(body, ChordedBody)
    where = columns(body, 50.0, TURNS[turn], Rates(0.4, 0.3, 0.0), 1e-5)
    density = np.broadcast_to(np.array(body.densities), len(where.z_in))
    lengths = np.maximum(where.z_out - where.z_in, 0.0)
    assert density @ lengths @ where.weight == pytest.approx(50.0**3 * body.volume, rel=1e-5)


@pytest.mark.parametrize("name", ["dumbbell(1.5,0.4)", "icosahedron", "twins(1.5)", "layered(0.6,0.2,0.2)"])
def test_chords_are_smooth_between_creases(name: str) -> None:
    # twice the points change nothing where the integrand is analytic, and much where a crease is missing
    body: Any = named(name)
    radius, turn = 60.0, TURNS[1]

    def forward(accuracy: float, given: Any) -> complex:
        where = columns(given, radius, turn, Rates(0.4, 0.3, 0.08), accuracy)
        path = np.array(body.densities) * np.maximum(where.z_out - where.z_in, 0.0).T
        x = np.exp(-0.3j * where.x - 0.2j * np.repeat(where.y, np.diff(where.start)))
        return complex((np.exp(-0.08 * path.sum(axis=1)) - 1) * x @ where.weight)

    class Creased:
        """The same body, one of whose creases is not known, but for the outermost."""

        densities = body.densities
        known = curves_along(body.numbers, turn[2])
        kept = np.delete(known, len(known) // 2, axis=0)
        nothing = np.empty(0)
        numbers = body.shape._replace(curves=kept, sides=nothing, silhouettes=nothing).packed()

    fine = forward(1e-9, body)
    scale = abs(fine) + radius**2 * 1e-2
    assert abs(forward(3e-7, body) - fine) < 2e-6 * scale
    if name != "icosahedron":
        assert abs(forward(3e-7, Creased()) - fine) > 5e-6 * scale


@pytest.mark.parametrize(
    ("name", "most"),
    # a tenth more than counted; with creases inside the body 41,000, with depths that no light sees 27,600
    [("capsule", 18_000), ("dumbbell", 24_000), ("icosahedron", 17_300)],
)
def test_no_more_columns_are_taken_than_needed(name: str, most: int) -> None:
    body: Any = named(name)
    common = Common.of(body, np.array([155.0]), Optics(), EwaldDetector(), 1e-3)
    made = common.made(body, 155.0, as_quaternions([0.9, 0.25, -0.1, 0.33]))
    assert isinstance(made, Columns)
    assert 0.5 * most < len(made.x) < most


@pytest.mark.parametrize(
    "name", ["capsule", "dumbbell", "dumbbell(1.5,0.95)", "dumbbell(0.6,0)", "twins(1.5)", "twins(0.8,0.3)"]
)
@pytest.mark.parametrize("turn", range(3))
def test_creases_are_kept_where_they_are_on_the_surface(name: str, turn: int) -> None:
    body: Any = named(name)
    known = curves_along(body.numbers, TURNS[turn][2])
    t = np.linspace(-np.pi, np.pi, 400)
    around = 1e-3 * np.concatenate([np.eye(3), -np.eye(3), TURNS[1], -TURNS[1]])
    cut = 0
    for row in known:
        (centre, cosine, sine), least = row[:OUTLINE].reshape(3, 3), row[LEAST]
        points = centre + np.outer(np.cos(t), cosine) + np.outer(np.sin(t), sine)
        buried = body.contains(points[:, None] + around, np.eye(3), 1.0).all(axis=1)
        kept = np.cos(t) >= least
        cut += (~kept).sum()
        near_the_end = np.abs(np.cos(t) - least) < 0.15
        assert (kept != buried)[~near_the_end].all()
    if turn and name == "capsule":
        assert cut


def crossings_by_sampling(one: Any, other: Any) -> NDArray[np.float64]:
    """Where two curves (centre, cosine, sine, least), of which the other is an ellipse, cross in (x, y)."""
    centre, cosine, sine, least = other
    t = np.linspace(-np.pi, np.pi, 200_001)
    points = one[0][:2] + np.outer(np.cos(t), one[1][:2]) + np.outer(np.sin(t), one[2][:2])
    across = np.linalg.solve(np.column_stack([cosine[:2], sine[:2]]), (points - centre[:2]).T)
    outside = np.hypot(*across) > 1
    found = np.flatnonzero(outside[1:] != outside[:-1])
    return np.asarray(points[found[(across[0, found] >= least) & (np.cos(t[found]) >= one[3])]])


@pytest.mark.parametrize("name", ["dumbbell(1.5,0.4)", "dumbbell(1,0)", "twins(1.5)", "dumbbell(1.2,0.8)"])
@pytest.mark.parametrize("tilt", [0.1, 0.35, 0.6])
@pytest.mark.parametrize("about", [0.0, 0.7, 2.0])
def test_outlines_cross_where_their_points_do(name: str, tilt: float, about: float) -> None:
    body: Any = named(name)
    half = np.array([np.cos(tilt / 2), *(np.sin(tilt / 2) * np.array([np.cos(about), np.sin(about), 0]))])
    rotation = rotation_matrix(half)
    known = turned(curves_along(body.numbers, rotation[2]), rotation, 1.0)
    curves = [(*row[:OUTLINE].reshape(3, 3), row[LEAST]) for row in known if row[OUTLINE]]
    pairs = [
        (one, other) if other[2].any() else (other, one)
        for i, one in enumerate(curves)
        for other in curves[i + 1 :]
        if one[2].any() or other[2].any()
    ]
    expected = np.concatenate([crossings_by_sampling(*pair) for pair in pairs])
    found = overlaps(known, False)
    gaps = np.linalg.norm(expected[:, None] - found, axis=2)
    assert (gaps.min(axis=1, initial=1.0) < 1e-3).all()
    assert (gaps.min(axis=0, initial=1.0) < 1e-3).all()


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("c", [0.0, 0.3, 5.0, 80.0, 300.0])
def test_that_many_terms_interpolate_the_phase(c: float, accuracy: float) -> None:
    count = int(terms(c, accuracy))
    at = np.linspace(-1, 1, 333)
    series = np.polynomial.chebyshev.Chebyshev.interpolate(lambda t: np.cos(c * t + 0.3), max(count - 1, 0))
    assert np.abs(series(at) - np.cos(c * at + 0.3)).max() < 2 * accuracy
    if c > 1:
        fewer = np.polynomial.chebyshev.Chebyshev.interpolate(lambda t: np.cos(c * t + 0.3), int(0.8 * c))
        assert np.abs(fewer(at) - np.cos(c * at + 0.3)).max() > 0.05


def test_no_pixel_has_a_larger_q() -> None:
    for detector in (EwaldDetector(), EwaldDetector(33, 0.01), EwaldDetector(2, 0.2), EwaldDetector(3, 0.3)):
        found = series((1.0,), Optics(), detector, 50.0, 1e-4)
        vectors = detector.scattering_vectors(found.k)
        assert np.hypot(vectors.x, vectors.y).max() <= found.largest_q * (1 + 1e-12)
        assert vectors.z.max() <= found.largest_q_z * (1 + 1e-12)


def noise() -> NDArray[np.float64]:
    return np.random.default_rng(2).uniform(0, 1, (9, 7, 11))


def dots() -> NDArray[np.float64]:
    """So far from each other that most blocks are empty."""
    density = np.zeros((40, 34, 47))
    density[32, 20, 30], density[10, 12, 13] = 1, 2
    return density


@pytest.mark.parametrize(("density", "sparse"), [(noise(), False), (dots(), True)], ids=["noise", "dots"])
@pytest.mark.parametrize("turn", range(len(TURNS)))
def test_splines_are_those_of_scipy(density: NDArray[np.float64], sparse: bool, turn: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    values = Voxels.from_density("given", density).values
    matrix, shape = 0.6 * TURNS[turn], (60, 45, 75)
    # the middles of both grids meet
    start = (np.array(values.shape) - 1) / 2 - matrix @ (np.array(shape) - 1) / 2
    inside = ndimage.spline_filter(values, order=3, output=np.float32, mode="grid-constant")
    expected = ndimage.affine_transform(
        inside, matrix, start, output_shape=shape, order=3, mode="grid-constant", prefilter=False
    )
    coefficients = np.pad(inside, 3)
    filled = filled_blocks(coefficients)
    found = sample(coefficients, filled, matrix, start, shape)
    assert np.abs(expected).max() > 0.3
    # of the largest coefficient 1e-5 may be missing where a block is empty
    np.testing.assert_allclose(found, expected, atol=2e-5 * inside.max())
    assert (filled.mean() < 0.25) == sparse, filled.mean()


def test_too_many_columns_are_refused() -> None:
    body = named("layered(0.9,0.5)")
    assert isinstance(body, ChordedBody)
    with pytest.raises(ParameterError, match="columns") as caught:
        columns(body, 8e3, TURNS[0], Rates(0.465, 0.465, 0.0), 1e-7)
    assert caught.value.field == "accuracy"
