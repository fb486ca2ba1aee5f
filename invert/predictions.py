"""Estimates as files and tables: HDF5 with images and provenance, CSV, and truth against estimate."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import msft
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, Estimates, flag_names
from invert.figures import Comparison
from invert.frames import Frames
from invert.metrics import errors, summarise
from invert.predict import Prediction
from msft.dataset import CXI_VERSION
from msft.output import whole
from msft.particle import Particles
from msft.units import NANOMETRE

COLUMNS = (
    *("frame", "radius_nm", "radius_sigma_nm", "q_w", "q_x", "q_y", "q_z"),
    *("orientation_sigma_degrees", "agreement", "flags"),
)
"""Of the CSV table."""


def lines(prediction: Prediction, truth: Particles | None, count: int = 10) -> list[str]:
    """A table of the first frames for people; against the truth and with medians where it is known."""
    estimates = prediction.estimates
    head = "frame  radius/nm  agreement"
    rows = [
        f"{frame:5d} {estimates.particles.radius[row]:10.2f} {estimates.agreement[row]:10.3f}"
        for row, frame in enumerate(estimates.frames[:count])
    ]
    if truth is None:
        rows = [
            f"{row}  {', '.join(flag_names(int(flags)))}"
            for row, flags in zip(rows, estimates.flags[:count], strict=True)
        ]
        return [
            head,
            *rows,
            f"median agreement over {len(estimates)} frames: {np.median(estimates.agreement):.3f}",
        ]
    result = errors(estimates.particles, truth, (float(truth.radius.min()), float(truth.radius.max())))
    summary = summarise(result)
    return [
        f"{head}  true radius/nm  orientation off by/degrees",
        *(
            f"{row} {truth.radius[index]:15.2f} {result.orientation[index]:27.2f}"
            for index, row in enumerate(rows)
        ),
        f"median over {summary.patterns} frames: orientation {summary.orientation_median_degrees:.2f} deg, "
        f"radius {summary.radius_median_nm:.2f} nm off, agreement {np.median(estimates.agreement):.3f}",
    ]


def shown(prediction: Prediction, frames: Frames, count: int, checkpoint: Checkpoint) -> Comparison:
    """The first frames, for the figure."""
    rows = slice(0, count)
    return Comparison(
        measured=prediction.measured[rows],
        resimulated=prediction.resimulated[rows],
        valid=frames.valid[rows],
        estimate=prediction.estimates.particles[rows],
        agreement=prediction.estimates.agreement[rows],
        frames=prediction.estimates.frames[rows],
        detector=checkpoint.model.configuration.simulation.detector,
        truth=None if frames.truth is None else frames.truth[rows],
    )


def write_predictions(path: Path, prediction: Prediction, frames: Frames, provenance: dict[str, Any]) -> None:
    """Write estimates and images as HDF5, whole or not at all."""
    estimates = prediction.estimates
    with whole(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file["cxi_version"] = CXI_VERSION
        file.attrs["default"] = "entry_1"
        entry = file.create_group("entry_1")
        entry.attrs.update(NX_class="NXentry", default="result_1")
        result = entry.create_group("result_1")
        result.attrs.update(NX_class="NXdata", signal="measured")
        result["quaternion"] = estimates.particles.orientation
        result["radius"] = estimates.particles.radius * NANOMETRE
        result["radius_sigma"] = estimates.radius_sigma * NANOMETRE
        result["orientation_sigma"] = estimates.orientation_sigma
        for name, unit in (("radius", "m"), ("radius_sigma", "m"), ("orientation_sigma", "rad")):
            result[name].attrs["units"] = unit
        result["orientation_sigma"].attrs["meaning"] = result["radius_sigma"].attrs["meaning"] = (
            "typical error per axis of this model on held-out experiment-like patterns, not of this frame"
        )
        result["agreement"] = estimates.agreement
        result["flags"] = estimates.flags
        result["flags"].attrs["names"] = json.dumps(FLAGS)
        result["frame"] = estimates.frames
        result["patterns_used"] = estimates.patterns_used
        text = h5py.string_dtype()
        result.create_dataset("source", data=[frames.source] * len(estimates), dtype=text)
        result.create_dataset("body", data=[estimates.particles.body] * len(estimates), dtype=text)
        for name in ("measured", "resimulated"):
            images = getattr(prediction, name)
            result.create_dataset(
                name, data=images, chunks=(1, *images.shape[1:]), compression="gzip", shuffle=True
            ).attrs["scale"] = "log"
        process = entry.create_group("process_1")
        process.attrs.update(NX_class="NXprocess", program="invert predict", version=msft.__version__)
        process.attrs.update(provenance)


def write_table(path: Path, estimates: Estimates) -> None:
    """Write estimates as CSV, a row per frame, whole or not at all."""
    with whole(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row, frame in enumerate(estimates.frames):
            writer.writerow(
                [
                    frame,
                    f"{estimates.particles.radius[row]:.3f}",
                    f"{estimates.radius_sigma[row]:.3f}",
                    *(f"{component:.6f}" for component in estimates.particles.orientation[row]),
                    f"{np.degrees(estimates.orientation_sigma[row]):.3f}",
                    f"{estimates.agreement[row]:.4f}",
                    " ".join(flag_names(int(estimates.flags[row]))),
                ]
            )
