"""Arrays in one buffer for a GPU: on the host, where NumPy stands in, and on a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from msft.backends import pinned, with_cupy
from msft.backends.pinned import ALIGNMENT, Pace, laid_out, packed, uploaded

ARRAYS: list[tuple[Any, Any]] = [
    (np.linspace(0, 1, 7), np.float32),
    (np.arange(5), np.int32),
    (np.empty((0, 3)), np.float64),
    (np.arange(6).reshape(2, 3) * (1 + 2j), np.complex128),
    (np.asfortranarray(np.arange(12.0).reshape(3, 4)), np.float64),
    (np.empty(0), np.float64),
]


@pytest.mark.parametrize("page_locked", [False, True])
def test_arrays_come_out_as_they_went_in(page_locked: bool) -> None:
    asked: list[int] = []

    def allocate(count: int) -> bytearray:
        asked.append(count)
        return bytearray(2 * count)  # of a pool whose blocks have few sizes

    cuda = SimpleNamespace(alloc_pinned_memory=allocate)
    xp: Any = SimpleNamespace(asarray=np.array, cuda=cuda) if page_locked else np
    packet = packed(ARRAYS, xp)
    assert asked == ([packet.host.nbytes] if page_locked else [])
    assert packet.host.nbytes < sum(-(-array.size * 16 // ALIGNMENT) for array, _ in ARRAYS) * ALIGNMENT + 2
    for (array, dtype), begin, there in zip(ARRAYS, packet.begins, uploaded(packet, xp), strict=True):
        assert begin % ALIGNMENT == 0
        assert there.size > 0
        bytes = array.size * np.dtype(dtype).itemsize
        found = there[:bytes].view(dtype).reshape(array.shape)
        np.testing.assert_array_equal(found, array.astype(dtype))


def test_where_no_memory_is_page_locked_other_memory_serves() -> None:
    class Refused(RuntimeError):
        pass

    def allocate(count: int) -> bytearray:
        raise Refused

    runtime = SimpleNamespace(CUDARuntimeError=Refused)
    xp: Any = SimpleNamespace(cuda=SimpleNamespace(alloc_pinned_memory=allocate, runtime=runtime))
    host, expected = packed(ARRAYS, xp), packed(ARRAYS, np)
    assert host.begins == expected.begins
    assert host.host[:28].tobytes() == expected.host[:28].tobytes() == ARRAYS[0][0].astype("f4").tobytes()


def test_arrays_do_not_overlap() -> None:
    assert laid_out([1, ALIGNMENT, 0, ALIGNMENT + 1]) == (
        (0, ALIGNMENT, 2 * ALIGNMENT, 2 * ALIGNMENT),
        4 * ALIGNMENT + 1,
    )
    assert laid_out([]) == ((), 1)


def test_the_host_waits_for_the_gpu_after_some_launches() -> None:
    said: list[str] = []

    class Event:
        made = 0

        def __init__(self, block: bool, disable_timing: bool) -> None:
            self.number = Event.made
            Event.made += 1

        def record(self) -> None:
            said.append(f"launched {self.number}")

        def synchronize(self) -> None:
            said.append(f"waited for {self.number}")

    pace = Pace(SimpleNamespace(cuda=SimpleNamespace(Event=Event)))
    for _ in range(pinned.AHEAD + 2):
        pace.launched()
    waits = [i for i, what in enumerate(said) if what.startswith("waited")]
    assert [said[i] for i in waits] == ["waited for 0", "waited for 1"]
    assert said[waits[0] - 1] == f"launched {pinned.AHEAD}"


@pytest.mark.gpu
@pytest.mark.skipif(bool(with_cupy.missing()), reason=f"NO GPU: {with_cupy.missing()}")
def test_a_buffer_is_not_used_again_before_it_is_copied() -> None:
    xp, to_host = with_cupy.arrays()
    numbers = 2**22
    busy = xp.ones((4096, 16384), np.float32)
    found = []
    for i in range(20):
        # the copy waits for milliseconds of roots, while what comes next asks the pool for as much memory
        for _ in range(20):
            xp.sqrt(busy, out=busy)
        packet = packed([(np.full(numbers, i), np.float32)], xp)
        assert xp.cuda.runtime.pointerGetAttributes(packet.host.ctypes.data).type == 1  # cudaMemoryTypeHost
        found.append(uploaded(packet, xp)[0])
        del packet
    for i, there in enumerate(found):
        assert (to_host(there)[: 4 * numbers].view(np.float32) == i).all()
