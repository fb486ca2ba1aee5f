"""What filters do to images on a processor: loops that numba compiles.

A GPU computes the same operation by operation, each for a whole batch, in the modules of the same names
outside: they explain what is computed. On a processor every such operation goes through all memory once. A
loop that has finished with a pixel, or with an image in its cache, before it takes the next, takes a half to
a fourteenth of the time. Numba is loaded with these modules, at the first call, not with `augment`.

Files
-----
parts.py     images divided among threads
fields.py    random pixels
shift.py     shifts by whole pixels
blur.py      Gaussian blur
response.py  blind spots, full well
hidden.py    hidden pixels
scaling.py   the logarithmic grey scale
"""

from __future__ import annotations

import torch


def on_processor(images: torch.Tensor | torch.device) -> bool:
    """Whether images, or those of a device, are computed by these loops; NumPy takes none with gradients."""
    if isinstance(images, torch.device):
        return images.type == "cpu"
    return images.device.type == "cpu" and not images.requires_grad
