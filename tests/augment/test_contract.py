"""What holds for every filter: finite output, batch equals single, replay, errors that name the field."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from augment import (
    PAPER_FILTERS,
    PAPER_GROUPS,
    RECORDINGS,
    CenterCrop,
    CentralHole,
    EightBit,
    Filter,
    FullWell,
    Gaps,
    GaussianBlur,
    Identity,
    InOrder,
    Jitter,
    LogScale,
    OneOf,
    PhotonStatistics,
    RandomCombination,
    ReadoutNoise,
    Recording,
    SaltAndPepper,
    Saturation,
    Shift,
    ShotNoise,
    UnevenSensitivity,
    UniformNoise,
    Window,
    experiment,
    paper,
    recording_named,
    replay,
)
from msft.errors import ParameterError

torch.set_num_threads(1)

FILTERS: dict[str, Filter] = {
    **paper(),
    "shot_noise": ShotNoise(),
    "saturation": Saturation(),
    "gaps": Gaps(probability=0.7, distance=(0.0, 0.5)),
    "window": Window((2.0, 9.0), (2.0, 9.0)),
    "eight_bit": EightBit(),
    "one_of": OneOf(list(paper().values())),
    **{f"recording of {name}": recording_named(name) for name in RECORDINGS},
    "experiment in 8 bits": experiment(eight_bit=True),
    "one recording of all": OneOf([recording_named(name) for name in RECORDINGS]),
}
WITHOUT_CHANCE = {"identity", "eight_bit", "recording of identity"}
every_filter = pytest.mark.parametrize("part", FILTERS.values(), ids=FILTERS.keys())


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def odd_images(height: int, width: int) -> torch.Tensor:
    """Images of every kind that has no business in a data set."""
    images = torch.rand((10, height, width), generator=generator(99))
    images[0] = 0.0
    images[1] = 0.5
    images[2] = 1.0
    images[3] = torch.nan
    images[4, ::2] = torch.nan
    images[5, :, ::2] = torch.inf
    images[6, ::3] = -torch.inf
    images[7] *= 1e30
    images[8] -= 0.5
    images[9] *= 1e-30
    return images


def test_paper_has_the_eleven_in_order() -> None:
    assert list(paper()) == [
        "identity",
        "uniform_noise",
        "salt_and_pepper",
        "gaussian_blur",
        "jitter",
        "center_crop",
        "central_hole",
        "shift",
        "uneven_sensitivity",
        "random_combination",
        "fixed_order",
    ]
    assert tuple(paper()) == PAPER_FILTERS
    assert list(PAPER_GROUPS) == ["trivial", "noise", "blur", "cropping", "successive"]


@every_filter
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 1), (5, 4), (32, 33)])
def test_output_is_finite_and_in_range_for_any_input(part: Filter, size: tuple[int, int]) -> None:
    images = odd_images(*size)
    for seed in range(4):
        changed, _ = part(images, generator(seed))
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32
        assert bool(changed.isfinite().all())
        assert float(changed.min()) >= 0.0
        assert float(changed.max()) <= 1.0


@every_filter
def test_an_empty_batch_stays_empty(part: Filter) -> None:
    changed, record = part(torch.empty(0, 6, 5), generator())
    assert changed.shape == (0, 6, 5)
    assert len(record) == 0


@every_filter
@pytest.mark.parametrize("size", [(16, 16), (33, 31)])
def test_an_image_alone_gives_what_it_gives_in_a_batch(part: Filter, size: tuple[int, int]) -> None:
    images = torch.rand((40, *size), generator=generator(1)) ** 5
    together, record = part(images, generator(1))
    for some in [*(slice(i, i + 1) for i in range(12)), slice(7), slice(7, 20), slice(21, 40)]:
        assert torch.equal(replay(images[some], record[some]), together[some])


@pytest.mark.parametrize(("name", "part"), FILTERS.items(), ids=FILTERS.keys())
def test_same_seed_same_images_and_replay_repeats_them(name: str, part: Filter) -> None:
    images = torch.rand((12, 24, 23), generator=generator(7))
    first, record = part(images, generator())
    torch.manual_seed(5)
    again, _ = part(images, generator())
    assert torch.equal(first, again)
    assert torch.equal(replay(images, record), first)
    if name not in WITHOUT_CHANCE:
        assert not torch.equal(part(images, generator(2))[0], first)


@every_filter
def test_global_random_state_is_left_alone(part: Filter) -> None:
    before = torch.get_rng_state()
    part(torch.rand((3, 8, 8), generator=generator()), generator())
    assert torch.equal(torch.get_rng_state(), before)


@every_filter
def test_a_record_says_plainly_what_was_done_to_each_image(part: Filter) -> None:
    _, record = part(torch.rand((5, 8, 9), generator=generator()), generator())
    steps = [record[i] for i in range(len(record))]
    assert [step.name for step in steps] == [part.name] * 5
    json.dumps([dataclasses.asdict(step) for step in steps], allow_nan=False)
    with pytest.raises(IndexError):
        record[5]


def test_in_order_applies_its_parts_one_after_another() -> None:
    images = torch.rand((4, 20, 20), generator=generator(7))
    hole, shift = CentralHole((3.0, 3.0)), Shift(4)
    both, record = InOrder((hole, shift))(images, generator())
    holed = hole.apply(images, hole.sample(4, (20, 20), generator()))
    moves = {"dy": record.parameters["1.dy"], "dx": record.parameters["1.dx"]}
    assert torch.equal(both, shift.apply(holed, moves))
    assert [step.name for step in record[0].steps] == ["central_hole", "shift"]


def test_random_combination_follows_its_record() -> None:
    images = torch.rand((40, 12, 12), generator=generator(7))
    parts = (Saturation((1.5, 1.5)), CentralHole((2.0, 2.0)), Shift(3))
    combined, record = RandomCombination(parts)(images, generator())
    by_name = {part.name: part for part in parts}
    for i, image in enumerate(images):
        expected = image[None]
        for step in record[i].steps:
            values = {name: torch.tensor([value]) for name, value in step.values.items()}
            expected = by_name[step.name].apply(expected, values)
        assert torch.equal(combined[i], expected[0])
    orders = {tuple(step.name for step in record[i].steps) for i in range(40)}
    assert () in orders
    assert {2, 3} <= {len(order) for order in orders}
    assert any(order[::-1] in orders for order in orders if len(order) > 1)


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (0.25, 0.25), (1.0, 1)])
def test_random_combination_switches_on_with_its_probability(probability: float, expected: float) -> None:
    drawn = RandomCombination((Identity(), Shift()), probability=probability).sample(
        2000, (4, 4), generator()
    )
    on = drawn["order"] >= 0
    assert float(on.double().mean()) == pytest.approx(expected, abs=0.03)
    assert bool((on[:, 0] >= on[:, 1]).all())  # none stands before a part


def test_one_of_draws_by_weight() -> None:
    parts = (Identity(), Shift(), CentralHole(), Saturation())
    drawn = OneOf(parts, weights=(0.0, 1.0, 3.0, 0.0)).sample(4000, (4, 4), generator())["order"]
    assert set(drawn.flatten().tolist()) == {1, 2}
    assert float((drawn == 2).double().mean()) == pytest.approx(0.75, abs=0.03)
    even = OneOf(parts).sample(4000, (4, 4), generator())["order"].flatten()
    assert torch.bincount(even).tolist() == pytest.approx([1000] * 4, rel=0.15)


BAD: list[tuple[str, Callable[[], Filter]]] = [
    ("amplitude", lambda: UniformNoise((0.4, 0.2))),
    ("amplitude", lambda: UniformNoise((-0.1, 0.2))),
    ("amplitude", lambda: UniformNoise((0.0, 1.5))),
    ("amplitude", lambda: UniformNoise((0.0, float("nan")))),
    ("amplitude", lambda: UniformNoise(0.5)),  # type: ignore[arg-type]
    ("amplitude", lambda: UniformNoise(("a", "b"))),  # type: ignore[arg-type]
    ("fraction", lambda: SaltAndPepper((0.0, 1.1))),
    ("photons", lambda: ShotNoise((0.0, 10.0))),
    ("photons", lambda: ShotNoise((1.0, float("inf")))),
    ("floor_decades", lambda: ShotNoise(floor_decades=0.0)),
    ("sigma", lambda: GaussianBlur((3.0, 1.0))),
    ("reach", lambda: Jitter(-1)),
    ("reach", lambda: Shift(-2)),
    ("reach", lambda: Shift(1.5)),  # type: ignore[arg-type]
    ("margin", lambda: CenterCrop(margin=(0.0, 0.6))),
    ("radius", lambda: CenterCrop(radius=(0.5, 0.25))),
    ("circle_probability", lambda: CenterCrop(circle_probability=1.2)),
    ("radius", lambda: CentralHole((-1.0, 5.0))),
    ("spots", lambda: UnevenSensitivity(spots=0)),
    ("sigma", lambda: UnevenSensitivity(sigma=(-0.1, 0.1))),
    ("depth", lambda: UnevenSensitivity(depth=(0.0, 2.0))),
    ("gain", lambda: Saturation((0.5, 1.5))),
    ("filters", lambda: InOrder(())),
    ("filters", lambda: InOrder((Shift,))),  # type: ignore[arg-type]
    ("weights", lambda: OneOf((Shift(), Jitter()), weights=(1.0,))),
    ("weights", lambda: OneOf((Shift(), Jitter()), weights=(0.0, 0.0))),
    ("weights", lambda: OneOf((Shift(), Jitter()), weights=(2.0, -1.0))),
    ("probability", lambda: RandomCombination((Shift(),), probability=-0.1)),
    ("photons", lambda: PhotonStatistics(photons=(0.0, 1e6))),
    ("stray", lambda: PhotonStatistics(stray=(1.0, 0.5))),
    ("sigma", lambda: ReadoutNoise((-1.0, 1.0))),
    ("halo", lambda: FullWell((5.0, 2.0))),
    ("probability", lambda: Gaps(probability=1.5)),
    ("width", lambda: Gaps(width=(3.0, 1.0))),
    ("distance", lambda: Gaps(distance=(0.0, 0.6))),
    ("half_height", lambda: Window(half_height=(20.0, 10.0))),
    ("corner", lambda: Window(corner=(-1.0, 1.0))),
    ("hidden", lambda: Window(hidden=-1.0)),
    ("hidden", lambda: CentralHole(hidden=float("inf"))),
    ("hidden", lambda: Gaps(hidden="white")),  # type: ignore[arg-type]
    ("knots", lambda: EightBit(((0.0, 0.0), (0.5, 0.6), (0.4, 0.7), (1.0, 1.0)))),
    ("knots", lambda: EightBit(((0.0, 0.0), (0.5, 0.6)))),
    ("decades", lambda: LogScale((0.0, 5.0))),
    ("decades", lambda: LogScale((3.0, 31.0))),
    ("filters", lambda: Recording((Shift(),))),
    ("filters", lambda: Recording((LogScale(), LogScale()))),
    ("half_width", lambda: Recording((LogScale(),), half_width=-1)),
    ("floor_decades", lambda: experiment(0.0)),
    ("filter", lambda: recording_named("sharpen")),
]


@pytest.mark.parametrize(("field", "make"), BAD)
def test_a_bad_parameter_is_named(field: str, make: Callable[[], Filter]) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(4, 4),
        torch.zeros(1, 1, 4, 4),
        torch.zeros(1, 4, 4, dtype=torch.float64),
        torch.zeros(1, 4, 4, dtype=torch.uint8),
        torch.zeros(1, 4, 4, dtype=torch.complex64),
        torch.zeros(1, 0, 4),
    ],
)
@pytest.mark.parametrize("part", [Shift(), experiment()], ids=["filter", "recording"])
def test_images_that_are_not_a_batch_are_refused(images: torch.Tensor, part: Filter) -> None:
    with pytest.raises(ParameterError) as caught:
        part(images, generator())
    assert caught.value.field == "images"
    assert str(images.dtype) in str(caught.value)
    assert "float32" in caught.value.allowed
    with pytest.raises(ParameterError):
        part.apply(images, {})


def test_a_record_of_another_batch_is_refused() -> None:
    images = torch.zeros(3, 4, 4)
    for part in (Identity(), Shift()):
        _, record = part(images, generator())
        with pytest.raises(ParameterError, match="images"):
            replay(images[:2], record)
    with pytest.raises(ParameterError, match="dy"):
        Shift().apply(images[:2], record.parameters)


@pytest.mark.parametrize("name", list(paper()))
def test_measured_pixels_are_those_that_still_depend_on_the_pattern(name: str) -> None:
    images = torch.full((12, 40, 40), 0.5)
    generator = torch.Generator().manual_seed(11)
    _, record = paper()[name](images, generator)
    measured = record.measured((40, 40))
    assert measured.shape == images.shape
    bright, dark = replay(torch.full_like(images, 0.9), record), replay(torch.full_like(images, 0.4), record)
    if name != "random_combination":  # there noise and blur may follow the hole
        assert (bright[~measured] == 0).all()
        assert (dark[~measured] == 0).all()
    hides = {"center_crop", "central_hole", "shift", "random_combination", "fixed_order"}
    assert bool(measured.all()) == (name not in hides)


def test_a_pixel_that_noise_made_dark_was_measured() -> None:
    noise_and_hole = InOrder((SaltAndPepper((1.0, 1.0)), CentralHole((3.0, 3.0))))
    images, record = noise_and_hole(torch.full((2, 20, 20), 0.5), torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(20) - 10, torch.arange(20) - 10, indexing="ij")
    assert (images == 0).float().mean() > 0.4
    assert torch.equal(record.measured((20, 20)), (y**2 + x**2 > 9).expand(2, 20, 20))


def test_the_fields_of_an_image_do_not_depend_on_the_threads() -> None:
    intensity = torch.rand((6, 40, 41), generator=generator(3))
    single, record = experiment()(intensity, generator())
    torch.set_num_threads(2)
    try:
        assert torch.equal(replay(intensity, record), single)
    finally:
        torch.set_num_threads(1)


@every_filter
def test_no_filter_asks_the_device_what_the_images_hold(part: Filter) -> None:
    # Tensors of the device "meta" have no values, so whatever would wait for those of a GPU fails here.
    parameters = part.sample(12, (16, 17), generator())
    changed = part.apply(torch.empty((12, 16, 17), device="meta"), parameters)
    assert changed.device.type == "meta"
    assert changed.shape == (12, 16, 17)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: nothing was recorded on CUDA")
@every_filter
def test_a_gpu_records_what_a_processor_does(part: Filter) -> None:
    images = torch.rand((40, 64, 61), generator=generator(5)) ** 8
    images[0] = 0.0
    parameters = part.sample(40, (64, 61), generator())
    expected = part.apply(images, parameters)
    found = part.apply(images.to("cuda"), parameters).cpu()
    # sums and products are rounded in another way, and a count or a step of 8 bits may be the next one
    assert ((found - expected).abs() > 1e-3).float().mean() < 1e-2
    assert found.isfinite().all()


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations, each of which a GPU has to be told."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@every_filter
def test_more_images_take_no_more_operations(part: Filter) -> None:
    images = torch.empty((6, 16, 16), device="meta")  # as on a GPU: a processor has loops
    parameters = part.sample(6, (16, 16), generator())
    part.apply(images, parameters)  # makes tables that stay
    counts = []
    for times in (1, 5):
        batch = images.repeat(times, 1, 1)
        own = {name: torch.cat([values] * times) for name, values in parameters.items()}
        with Counter() as counter:  # type: ignore[no-untyped-call]
            part.apply(batch, own)
        counts.append(counter.count)
    assert counts[0] == counts[1]
