"""What in an image speaks for a label: GradCAM++ (Zimmermann et al. 2019, appendix D)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, leaky_relu

from invert.backbone.activation import LEAKAGE
from invert.frames import Frames
from invert.labelling.classifier import BATCH, Classifier, check_size
from invert.labelling.inputs import inputs
from msft.errors import ParameterError

_TINY = 1e-12


@dataclass(frozen=True)
class Explanations:
    """M frames for each of L labels, and where they show it.

    Attributes
    ----------
    labels
        The L labels.
    frames
        Number of each frame, int64, shape (L, M).
    probabilities
        That the frame has the label, float32, shape (L, M).
    images
        Grey images in [0, 1], float32, shape (L, M, H, W).
    relevance
        Of their pixels, as `relevance` gives it, same shape.
    """

    labels: tuple[str, ...]
    frames: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    images: NDArray[np.float32]
    relevance: NDArray[np.float32]


def explanations(
    classifier: Classifier, frames: Frames, labels: Sequence[str], count: int = 5
) -> Explanations:
    """Explain each label on the frames that have it most probably.

    Parameters
    ----------
    classifier
        The network.
    frames
        Of any size that it can see.
    labels
        Which are to be explained.
    count
        Frames for each label; fewer if there are fewer.

    Raises
    ------
    ParameterError
        If a label is unknown, the frames are too small, or none has a valid pixel.
    """
    configuration = classifier.configuration
    if not labels:
        raise ParameterError("label", "none", "one of " + ", ".join(configuration.labels))
    columns = [configuration.column(label) for label in labels]
    check_size(min(frames.images.shape[1:]), configuration.network, "frames")
    seen = inputs(frames, configuration.input)
    grey = inputs(frames, replace(configuration.input, scale="log"))
    probabilities = classifier.probabilities(seen).numpy()
    there = frames.seen
    if not there.any():
        raise ParameterError("frames", frames.source, "frames with a valid pixel")
    probabilities[~there] = -np.inf  # last of all
    count = min(count, int(there.sum()))
    rows = np.stack([np.argsort(-probabilities[:, column], kind="stable")[:count] for column in columns])
    pairs = zip(labels, rows, strict=True)
    heat = [relevance(classifier, seen[torch.from_numpy(chosen)], label) for label, chosen in pairs]
    return Explanations(
        tuple(labels),
        frames.numbers[rows],
        np.stack([probabilities[chosen, column] for column, chosen in zip(columns, rows, strict=True)]),
        grey.numpy()[rows],
        torch.stack(heat).numpy(),
    )


def relevance(classifier: Classifier, images: torch.Tensor, label: str, batch: int = BATCH) -> torch.Tensor:
    """How much each pixel speaks for a label, relative to the one that speaks most for it.

    Parameters
    ----------
    classifier
        In evaluation mode.
    images
        As `invert.labelling.inputs.inputs` makes them, shape (N, H, W).
    label
        One of the classifier's.
    batch
        Images at a time.

    Returns
    -------
    Float32 on the CPU, shape (N, H, W), in [0, 1]; 0 everywhere in an image that nowhere speaks for it.

    Raises
    ------
    ParameterError
        If the classifier does not know the label.
    """
    column = classifier.configuration.column(label)
    device = next(classifier.parameters()).device
    backbone = classifier.backbone
    result = torch.empty_like(images, device="cpu")

    def score(maps: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = classifier.head(backbone.summary(maps))
        return logits[:, column]

    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        with torch.no_grad():
            maps = backbone.maps(images[rows].to(device)[:, None])
        heat = heatmap(maps, score)[:, None]
        spread = interpolate(heat, images.shape[1:], mode="bilinear", align_corners=False)[:, 0].clamp(min=0)
        result[rows] = (spread / spread.amax(dim=(1, 2), keepdim=True).clamp(min=_TINY)).cpu()
    return result


def heatmap(maps: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """The heatmap L of maps A for a score S (equations D1 and D2).

    As the authors of GradCAM++ do (Chattopadhay et al., WACV 2018, section 3.3), Y = exp S: between the kinks
    of the network S is linear in A, so that the n-th derivative of Y is Y (dS/dA)^n. Y itself scales L and
    is left out.

    Parameters
    ----------
    maps
        The last maps (B, K, h, w) of B images.
    score
        From such maps to one score (B,) per image.

    Returns
    -------
    Shape (B, h, w).
    """
    maps = maps.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(score(maps).sum(), maps)
    maps = maps.detach()
    below = 2 * slope**2 + maps.sum(dim=(2, 3), keepdim=True) * slope**3
    share = torch.where(below.abs() > _TINY * slope.abs().amax() ** 2, slope**2 / below, 0.0)
    weights = (share * leaky_relu(slope, LEAKAGE)).sum(dim=(2, 3), keepdim=True)
    return leaky_relu((weights * maps).sum(dim=1), LEAKAGE)
