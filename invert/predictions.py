"""Inversions as files and tables: HDF5 with images and provenance, CSV, and truth against estimate."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import msft
from invert.estimate import FLAGS, Estimates, Inversion, flag_names
from invert.figures import Comparison
from invert.frames import Frames
from invert.metrics import Errors, errors, summarise
from msft.dataset import CXI_VERSION
from msft.detector import Detector
from msft.output import whole
from msft.particle import Particles
from msft.symmetry import misorientation
from msft.units import NANOMETRE

COLUMNS = (
    *("frame", "radius_nm", "radius_sigma_nm", "q_w", "q_x", "q_y", "q_z"),
    *("orientation_sigma_degrees", "agreement", "patterns_used", "flags"),
    *("alternative_radius_nm", "alternative_degrees_away", "alternative_agreement"),
)
"""Of the CSV table."""


def lines(inversion: Inversion, truth: Particles | None, count: int = 10) -> list[str]:
    """A table of the first frames for people; against the truth and with medians where it is known."""
    estimates = inversion.estimates
    against = None if truth is None else _against(estimates, truth)
    columns = f"{'frame':>6} {'radius/nm':>10} {'agreement':>10}"
    if against is not None:
        columns += f" {'true radius/nm':>15} {'orientation off by/deg':>23}"
    rows = [columns + "  flags"]
    for row, frame in enumerate(estimates.frames[:count]):
        text = f"{frame:6d} {estimates.particles.radius[row]:10.2f} {estimates.agreement[row]:10.3f}"
        if truth is not None and against is not None:
            text += f" {truth.radius[row]:15.2f} {against.orientation[row]:23.3g}"
        rows.append(f"{text}  {', '.join(flag_names(int(estimates.flags[row])))}".rstrip())
    return [*rows, medians(inversion, truth)]


def medians(inversion: Inversion, truth: Particles | None) -> str:
    """Median errors where the truth is known, agreement and number of patterns simulated, as a line."""
    estimates = inversion.estimates
    text = f"median over {len(estimates)} frames: "
    if truth is not None:
        summary = summarise(_against(estimates, truth))
        text += (
            f"orientation {summary.orientation_median_degrees:.2g} deg, "
            f"radius {summary.radius_median_nm:.2g} nm off, "
        )
    patterns = np.median(estimates.patterns_used)
    return text + f"agreement {np.median(estimates.agreement):.3f}, patterns simulated {patterns:g}"


def _against(estimates: Estimates, truth: Particles) -> Errors:
    return errors(estimates.particles, truth, (float(truth.radius.min()), float(truth.radius.max())))


def shown(inversion: Inversion, frames: Frames, count: int, detector: Detector) -> Comparison:
    """The first frames, for the figure."""
    rows = slice(0, count)
    return Comparison(
        measured=inversion.measured[rows],
        resimulated=inversion.resimulated[rows],
        valid=inversion.valid[rows],
        estimate=inversion.estimates.particles[rows],
        agreement=inversion.estimates.agreement[rows],
        frames=inversion.estimates.frames[rows],
        detector=detector,
        truth=None if frames.truth is None else frames.truth[rows],
    )


def write_predictions(
    path: Path, inversion: Inversion, frames: Frames, provenance: dict[str, Any], sigma_means: str
) -> None:
    """Write estimates and images as HDF5, whole or not at all.

    `provenance` becomes attributes, `program` among them; `sigma_means` says what the uncertainties are.
    """
    estimates = inversion.estimates
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
        for name in ("orientation_sigma", "radius_sigma"):
            result[name].attrs["meaning"] = sigma_means
        result["agreement"] = estimates.agreement
        result["flags"] = estimates.flags
        result["flags"].attrs["names"] = json.dumps(FLAGS)
        result["frame"] = estimates.frames
        result["patterns_used"] = estimates.patterns_used
        result["beam"] = estimates.beam
        result["beam"].attrs["meaning"] = "row and column in pixels from the detector's centre [n/2, n/2]"
        alternatives = result.create_group("alternative_1")
        alternatives.attrs["meaning"] = "a different particle that explains the frame almost as well; or NaN"
        alternatives["quaternion"] = estimates.alternatives.orientation
        alternatives["radius"] = estimates.alternatives.radius * NANOMETRE
        alternatives["radius"].attrs["units"] = "m"
        alternatives["agreement"] = estimates.alternatives.agreement
        text = h5py.string_dtype()
        result.create_dataset("source", data=[frames.source] * len(estimates), dtype=text)
        result.create_dataset("body", data=[estimates.particles.body] * len(estimates), dtype=text)
        for name in ("measured", "resimulated"):
            images = getattr(inversion, name)
            result.create_dataset(
                name, data=images, chunks=(1, *images.shape[1:]), compression="gzip", shuffle=True
            ).attrs["scale"] = "log"
        process = entry.create_group("process_1")
        process.attrs.update(NX_class="NXprocess", version=msft.__version__)
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
                    estimates.patterns_used[row],
                    " ".join(flag_names(int(estimates.flags[row]))),
                    *_alternative(estimates, row),
                ]
            )


def _alternative(estimates: Estimates, row: int) -> list[str]:
    """Radius in nm, distance in degrees and agreement of a frame's second answer; empty where it has none."""
    other = estimates.alternatives
    if np.isnan(other.radius[row]):
        return ["", "", ""]
    angle = np.degrees(misorientation(estimates.particles.orientation[row], other.orientation[row]))
    return [f"{other.radius[row]:.3f}", f"{angle:.2f}", f"{other.agreement[row]:.4f}"]
