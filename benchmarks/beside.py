"""What inverting a file costs the processors beside a GPU, measured without one.

    python benchmarks/beside.py MODEL [--frames 4096] [--zlib] [--slower 1] [--pace 0.17]

A network that knows all answers stands for the GPU and takes `--pace` milliseconds for a frame: what is left
is reading and writing. Printed, for a frame, with as many threads as 16 processors have:

- milliseconds of processors in all, and of that what threads do not share: all but compressing,
  decompressing and converting. It is little more than what happens with the interpreter or h5py's lock held.
- frames per second where threads pause for as long as compressing and decompressing take (`--slower` times as
  long), but use no processor: two processors then show what bounds sixteen.

`--zlib` does without ISA-L.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROCESSORS = 16
os.cpu_count = lambda: PROCESSORS  # type: ignore[assignment]  # before the modules below count them


@dataclass
class Shared:
    """Work that threads share: how long it takes them, or pauses in its place."""

    pause: float | None = None
    seconds: list[float] = field(default_factory=list)
    known: dict[Any, Any] = field(default_factory=dict)
    owed: threading.local = field(default_factory=threading.local)

    def __call__(self, work: Callable[..., Any], key: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """The same work, measured; or, with a key for what it gives, remembered and waited for."""

        def measured(*arguments: Any) -> Any:
            begin = time.thread_time()
            if self.pause is None or key is None:
                result = work(*arguments)
                self.seconds.append(time.thread_time() - begin)
                return result
            name = key(*arguments)
            if name not in self.known:
                result = work(*arguments)
                self.known[name] = result, time.thread_time() - begin
            result, took = self.known[name]
            # in portions: the clock of a pause is coarse
            owed = getattr(self.owed, "seconds", 0.0) + self.pause * took
            if owed > 2e-3:
                start = time.perf_counter()
                time.sleep(owed)
                owed -= time.perf_counter() - start
            self.owed.seconds = owed
            return result

        return measured


def repeated(path: Path, target: Path, count: int) -> None:
    """A file with the frames of another one over and over."""
    import h5py

    with h5py.File(path) as file, h5py.File(target, "w") as repeats:
        for name in ("entry_1/data_1/data", "entry_1/data_1/mask"):
            data = file[name]
            copy = repeats.create_dataset(
                name, (count, *data.shape[1:]), data.dtype, chunks=data.chunks, compression="gzip"
            )
            for row in range(count):
                copy.id.write_direct_chunk((row, 0, 0), data.id.read_direct_chunk((row % len(data), 0, 0))[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--frames", type=int, default=4096)
    parser.add_argument("--zlib", action="store_true")
    parser.add_argument("--slower", type=float, default=1.0)
    parser.add_argument("--pace", type=float, default=0.17)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    from predict import write_frames  # isort: skip
    import record  # noqa: F401
    import torch

    from invert import checkpoint, stream
    from invert.frames import Frames, open_frames
    from invert.predict import predict
    from invert.reading import chunks, mask
    from msft import compression

    if arguments.zlib:
        compression._deflated = compression._by_zlib
        chunks.zlib = zlib
    loaded = checkpoint.load(arguments.model)
    simulation = loaded.model.configuration.simulation
    batch = stream.BATCHES["cuda"]

    class Answering(stream.Inverter):
        device = torch.device("cuda")

        def __call__(self, frames: Frames, progress: Callable[[int], None] = lambda done: None) -> Any:
            time.sleep(1e-3 * arguments.pace * batch)
            return answers

    work = compression._compressed, chunks._inflated, mask.shared
    with tempfile.TemporaryDirectory() as folder:
        some, path, out = (Path(folder) / name for name in ("some.h5", "all.h5", "predictions.h5"))
        write_frames(some, batch, simulation)
        repeated(some, path, arguments.frames // batch * batch)
        with open_frames(path) as frames:
            frames.onto(simulation.detector, simulation.optics.wavelength)
            answers = predict(loaded, frames.read(range(batch)))

            def run(shared: Shared) -> tuple[float, float]:
                """Milliseconds that a frame takes, and those of processors."""
                compression._compressed = shared(
                    work[0], lambda images: (images.__array_interface__["data"], images.dtype.itemsize)
                )
                chunks._inflated = shared(work[1], lambda chunk, size: (len(chunk), chunk[-16:]))
                mask.shared = lambda convert, parts, size: work[2](shared(convert), parts, size)
                shared.seconds.clear()
                begin = time.perf_counter(), time.process_time()
                stream.invert_stream(frames, slice(None), Answering(loaded), out, {}, {})
                end = time.perf_counter(), time.process_time()
                return tuple(1e3 * (b - a) / len(frames) for a, b in zip(begin, end, strict=True))  # type: ignore[return-value]

            busy, paused = Shared(), Shared(arguments.slower)
            for _ in range(arguments.repeats):
                _, processors = run(busy)
                alone = processors - 1e3 * sum(busy.seconds) / len(frames)
                print(f"{processors:.3f} ms of processors, {alone:.3f} not shared", end="; ")
                took, used = run(paused)
                print(f"to spare: {1e3 / took:.0f} frames/s ({used:.3f} ms of processors)")


if __name__ == "__main__":
    main()
