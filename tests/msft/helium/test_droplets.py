"""Random droplets: how often each label occurs, and that labels say what particles look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from msft.bodies import Dumbbell, Ellipsoid, HomogeneousBody, Sphere, Twins, capsule, named
from msft.errors import ParameterError
from msft.helium.droplets import Droplets
from msft.helium.labels import COUNTS, IMAGES, NAMES, RULES, broken_rules
from msft.helium.rules import fringes_per_ring, labels_of, outline
from msft.helium.scenes import LONGEST_NAME, SCENES
from msft.particle import Particles
from msft.rotation import rotation_matrix

DRAWN = 10_000


@pytest.fixture(scope="module")
def particles() -> Particles:
    return Droplets().draw(11, range(DRAWN))


@pytest.fixture(scope="module")
def labels(particles: Particles) -> np.ndarray:
    return labels_of(particles)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_as_frequent_as_in_the_paper(name: str, labels: np.ndarray) -> None:
    share = COUNTS[name] / IMAGES
    found = labels[:, NAMES.index(name)].sum()
    # four standard deviations of a binomial distribution
    assert abs(found - DRAWN * share) <= 4 * np.sqrt(DRAWN * share * (1 - share))


def test_no_rule_is_broken(labels: np.ndarray) -> None:
    assert broken_rules(labels) == dict.fromkeys(RULES, 0)
    has = dict(zip(NAMES, labels.astype(bool).T, strict=True))
    # nearly without exception in the released labels: 236 of 242, 386 of 390
    for name, share in (("streak", 236 / 242), ("bent", 386 / 390)):
        assert (has[name] & has["prolate"]).sum() >= (share - 0.03) * has[name].sum()
    assert sum(SCENES.values()) == IMAGES


@pytest.mark.parametrize("scene", SCENES)
def test_each_scene_shows_what_it_is_called(scene: str) -> None:
    shown = labels_of(Droplets(scenes={scene: 1.0}).draw(3, range(60)))
    always = {name for name, all_of in zip(NAMES, np.atleast_1d(shown.all(axis=0)), strict=True) if all_of}
    ever = {name for name, some in zip(NAMES, np.atleast_1d(shown.any(axis=0)), strict=True) if some}
    words = {
        "bump": {"asymmetric"},
        "layers": {"layered"},
        "newton": {"newton_rings"},
        "double": {"double_rings"},
        "merged": {"asymmetric"},
        "round": {"oblate", "round"},
        "elliptical": {"oblate", "elliptical"},
        "prolate": {"prolate"},
        "empty": {"empty"},
        "disc": {"oblate", "elliptical"} | ({"bent"} if "tilted" in scene else {"streak"}),
        "tilted": set(),
    }
    wanted = set().union(*(words[word] for word in scene.split()))
    assert always == wanted
    assert ever - wanted <= ({"streak", "bent"} if "prolate" in scene else set())


def test_any_droplet_is_drawn_again_alone(particles: Particles) -> None:
    chosen = np.array([9, 5000, 3])
    again = Droplets().draw(11, chosen)
    for name in ("radius", "orientation", "bodies", "stretch"):
        np.testing.assert_array_equal(getattr(again, name), getattr(particles, name)[chosen])
    other = Droplets().draw(12, chosen)
    assert not np.isclose(other.orientation, again.orientation).all(axis=1).any()
    assert max(len(name) for name in particles.bodies) <= LONGEST_NAME
    assert len(Droplets().draw(0, range(0))) == 0


def test_sizes_stay_within_their_range(particles: Particles) -> None:
    for body, members, _ in particles.groups():
        largest = members.radius * (body.sizes[0] if isinstance(body, Twins) else 1.0)
        assert largest.min() >= 100 - 1e-9
        assert largest.max() <= 300


def silhouette(body: HomogeneousBody, rotation: np.ndarray) -> tuple[float, float]:
    """Half the width and half the length of a convex body's shadow, from where its chords are."""
    axis = (np.arange(401) - 200) / 200
    z_in, z_out = body.chords(axis[None], axis[:, None], rotation, 1.0)
    row, column = np.nonzero((z_out > z_in).any(axis=0))
    angle = np.radians(np.arange(0, 180, 1.5))
    reach = axis[column] * np.cos(angle)[:, None] + axis[row] * np.sin(angle)[:, None]
    extent = (reach.max(axis=1) - reach.min(axis=1)) / 2
    return extent.min(), extent.max()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "body", [Ellipsoid((1.0, 0.8, 0.3)), Sphere().stretched(2.5), capsule(2.4), capsule(1.6).stretched(1.4)]
)
def test_outlines_are_those_of_shadows(body: Any, seed: int) -> None:
    rotation = Rotation.random(random_state=seed).as_matrix()
    if isinstance(body, Dumbbell):
        height = body.lobe_height
        semi_axes = np.array([body.lobe_radius, body.lobe_radius, body.half_distance + height])
        found = outline(semi_axes, height, rotation)
        if body.lobe_height != body.lobe_radius:
            # the width of a capsule with long ends is told for its lobes: a bound from below
            assert found[1] == pytest.approx(silhouette(body, rotation)[1], rel=0.05)
            return
    else:
        found = outline(np.array(body.semi_axes), 0.0, rotation)
    assert found == pytest.approx(silhouette(body, rotation), abs=0.012)


def labels_by_name(body: str, polar: float, stretch: float = 1.0) -> set[str]:
    turn = Rotation.from_euler("y", polar, degrees=True).as_quat(scalar_first=True)
    shown = labels_of(Particles([100.0], [turn], body, stretch))[0]
    return {name for name, has in zip(NAMES, shown, strict=True) if has}


@pytest.mark.parametrize(
    ("body", "polar", "stretch", "wanted"),
    [
        ("sphere", 30, 1.0, "oblate round"),
        ("sphere", 90, 0.5, "oblate elliptical"),
        ("sphere", 5, 0.5, "oblate round"),  # flat, but seen along its axis
        ("sphere", 90, 0.3, "oblate elliptical"),
        ("sphere", 90, 0.15, "oblate elliptical streak"),
        ("sphere", 70, 0.15, "oblate elliptical bent"),
        ("sphere", 90, 3.0, "prolate streak"),
        ("sphere", 60, 3.0, "prolate streak bent"),
        ("sphere", 60, 1.8, "prolate bent"),
        ("capsule(3)", 88, 1.0, "prolate streak"),
        ("capsule(3)", 3, 1.0, "oblate round"),  # along the beam nothing says that it is long
        ("ellipsoid(1,0.5,0.5)", 0, 1.0, "prolate"),
        ("layered(0.5,2)", 90, 1.0, "oblate round layered"),
        ("layered(0.2,8,0.6)", 60, 1.0, "oblate round asymmetric"),
        ("twins(1,0.4)", 60, 1.0, "oblate round asymmetric"),
        ("twins(1,0.4,0.6)", 0, 1.0, "oblate elliptical asymmetric"),
        ("twins(1.2,0.8)", 45, 1.0, "asymmetric"),
        ("twins(20,0.8)", 2, 1.0, "oblate round newton_rings"),
        ("twins(8,0.8)", 2, 1.0, "oblate round double_rings"),
        ("twins(20,0.8)", 89, 1.0, "oblate round"),  # side by side: straight fringes
        ("twins(45,0.8,2.5)", 2, 1.0, "prolate streak newton_rings"),
        ("nothing", 0, 1.0, "empty"),
    ],
)
def test_labels_of_single_droplets(body: str, polar: float, stretch: float, wanted: str) -> None:
    assert labels_by_name(body, polar, stretch) == set(wanted.split())


def test_other_bodies_have_no_labels() -> None:
    for body in ("icosahedron", "dumbbell"):
        with pytest.raises(ParameterError, match="droplet"):
            labels_by_name(body, 0)


def test_fringes_per_ring_are_counted_in_a_profile() -> None:
    # maxima of the interference, and minima of a sphere's form factor, along a line out to 30 degrees
    distance, radius, wavelength = 6000.0, 250.0, 20.0
    twins = named(f"twins({distance / radius},1)")
    assert isinstance(twins, Twins)
    angle = np.linspace(0, np.radians(30), 20001)
    fringes = np.cos(np.pi * distance * (1 - np.cos(angle)) / wavelength) ** 2
    x = 2 * np.pi / wavelength * radius * np.sin(angle[1:])
    rings = ((np.sin(x) - x * np.cos(x)) / x**3) ** 2
    counts = [((p[1:-1] < p[:-2]) & (p[1:-1] < p[2:])).sum() for p in (fringes, rings)]
    expected = fringes_per_ring(twins, rotation_matrix(np.array([[1.0, 0, 0, 0]]))[0])
    assert counts[0] / counts[1] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Droplets((200.0, 100.0)), "radius_range"),
        (lambda: Droplets((1e-9, 3e-7)), "radius_range"),
        (lambda: Droplets(scenes={"square": 1.0}), "scenes"),
        (lambda: Droplets(scenes={"round": -1.0}), "scenes.round"),
        (lambda: Droplets(scenes={"round": 0.0}), "scenes"),
    ],
)
def test_impossible_droplets_are_refused(make: Any, field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.field == field
