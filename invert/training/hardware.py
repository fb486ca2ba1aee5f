"""What a training runs on: one process or several, with GPUs or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from msft.errors import ParameterError


@dataclass(frozen=True)
class Hardware:
    """What a training runs on.

    Parameters
    ----------
    kind
        CPU or GPU.
    devices, nodes
        Processes on each machine, with a GPU each or on the CPU, and machines. Launchers that start the
        processes themselves (torchrun, SLURM) are recognised; else Lightning starts those of this machine.

    Raises
    ------
    ParameterError
        If there are not so many.
    """

    kind: torch.device
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        there = torch.cuda.device_count() if self.kind.type == "cuda" else 256
        for name, value, most in (("devices", self.devices, there), ("nodes", self.nodes, 4096)):
            if not 1 <= value <= most:
                raise ParameterError(name, value, f"1 to {most}")

    @property
    def processes(self) -> int:
        """Processes that train together."""
        return self.devices * self.nodes

    @property
    def near(self) -> torch.device:
        """Where examples may lie before training begins: of several processes each is told its GPU then."""
        return self.kind if self.processes == 1 else torch.device("cpu")


def leading() -> bool:
    """Whether this is the one of the processes that train together which writes and reports."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def precision(device: torch.device) -> Any:
    """Bfloat16 where the device has it; a CPU computes it far slower than float32."""
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "32-true"


def seed_on(device: torch.device, seed: int) -> None:
    """Seed what a network draws by itself on a device.

    `torch.manual_seed` seeds all kinds of devices, and for each that is not there it writes down the whole
    call stack: almost a millisecond for every step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
