"""Pictures of patterns and particles. The only module of this package that knows matplotlib."""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from msft.bodies import ConvexPolyhedron, named
from msft.bodies.nothing import Nothing
from msft.dataset import PatternFile, Scale
from msft.detector import Detector, EwaldDetector
from msft.output import whole
from msft.rotation import rotation_matrix

COLOURS = "inferno"
"""Perceptually uniform, and black where there is no signal."""

COLUMNS = 4
"""Of a gallery."""

DECADES = 5.0
"""Decades of intensity that a picture shows below its maximum."""


def save(figure: Figure, path: Path, resolution: int = 150) -> None:
    """Write a figure as PNG, whole or not at all."""
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=resolution, format="png")


def extent(detector: Detector) -> tuple[tuple[float, float, float, float], str, str]:
    """Edges of the image and axis labels: q in nm^-1 (Ewald) or mm (flat); rows grow downwards."""
    step = detector.q_step if isinstance(detector, EwaldDetector) else detector.pixel_size
    low, high = -(detector.pixels // 2) - 0.5, (detector.pixels + 1) // 2 - 0.5
    edges = (low * step, high * step, high * step, low * step)
    if isinstance(detector, EwaldDetector):
        return edges, r"$q_x$ (nm$^{-1}$)", r"$q_y$ (nm$^{-1}$)"
    return edges, "x (mm)", "y (mm)"


def draw_pattern(
    axes: Axes, pattern: NDArray[np.float32], detector: Detector, scale: Scale = "linear"
) -> Any:
    """One pattern: intensity relative to its maximum on a logarithmic colour scale, or grey values."""
    edges, _, _ = extent(detector)
    norm = Normalize(0.0, 1.0)
    if scale == "linear":
        peak = float(pattern.max(initial=0.0)) or 1.0
        pattern, norm = np.maximum(pattern / peak, 10**-DECADES), LogNorm(10**-DECADES, 1.0)
    image = axes.imshow(
        pattern,
        norm=norm,
        cmap=COLOURS,
        extent=edges,
        interpolation="nearest",
    )
    axes.set_facecolor("black")
    return image


def draw_body(axes: Any, body: str, orientation: NDArray[np.float64], radius: float, largest: float) -> None:
    """A polyhedron on 3D axes, seen along the beam: x to the right, y down as in the image.

    Of other bodies, which have no faces, the name.

    Parameters
    ----------
    axes
        Of the projection 3d.
    body, orientation, radius
        The particle; radius in nm.
    largest
        Half the width in nm that the axes show.
    """
    axes.set_axis_off()
    shape = named(body)
    if not isinstance(shape, ConvexPolyhedron):
        axes.text2D(
            0.5, 0.5, f"{body}\n(no faces to draw)", ha="center", va="center", transform=axes.transAxes
        )
        return
    rotation = rotation_matrix(orientation)
    # matplotlib's third axis points at the viewer; the image's y points down and the beam away from him
    to_view = np.diag([1.0, -1.0, -1.0]) @ rotation
    vertices = radius * shape.vertices @ to_view.T
    normals = shape.normals @ to_view.T
    light = np.array([-0.35, 0.55, 0.75]) / np.linalg.norm([-0.35, 0.55, 0.75])
    shades = 0.35 + 0.65 * np.clip(normals @ light, 0, 1)
    faces = [
        vertices[face[face >= 0]] for face, normal in zip(shape.faces, normals, strict=True) if normal[2] > 0
    ]
    colours = [
        (0.72 * shade, 0.76 * shade, 0.82 * shade)
        for shade, normal in zip(shades, normals, strict=True)
        if normal[2] > 0
    ]
    axes.add_collection3d(Poly3DCollection(faces, facecolors=colours, edgecolors="#222222", linewidths=0.6))
    for axis in "xyz":
        getattr(axes, f"set_{axis}lim")(-largest, largest)
    axes.set_proj_type("ortho")
    axes.view_init(elev=90, azim=-90)
    axes.set_box_aspect((1, 1, 1), zoom=1.5)


def one_pattern(pattern: NDArray[np.float32], detector: Detector, title: str) -> Figure:
    """One pattern with axes, colour scale and a title."""
    figure = Figure(figsize=(5.6, 4.7), layout="constrained")
    axes = figure.subplots()
    image = draw_pattern(axes, pattern, detector)
    _, x_label, y_label = extent(detector)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="intensity relative to its maximum")
    return figure


def _each_label(labels: NDArray[np.uint8], count: int) -> list[int]:
    """Rows of a labelled dataset: the first of each label, then the second of each, and so on."""
    having = [np.flatnonzero(column).tolist() for column in labels.T]
    having.append(np.flatnonzero(~labels.any(axis=1)).tolist())
    turns = chain.from_iterable(zip_longest(*having))
    rows = list(dict.fromkeys(row for row in turns if row is not None))[:count]
    # together again what has the same label, in the labels' order
    return sorted(rows, key=lambda row: labels[row].tolist(), reverse=True)


def _legend(dataset: PatternFile, index: int) -> str:
    """What a pattern shows, in a few lines."""
    body, radius = str(dataset.particles.bodies[index]), dataset.particles.radius[index]
    stretch = dataset.particles.stretch[index]
    stretched = f"stretch {stretch:.3g}, " if stretch != 1 else ""
    if dataset.label_names:
        shown = [name for name, has in zip(dataset.label_names, dataset.labels[index], strict=True) if has]
        size = "" if body == Nothing.name else f"\n{body}\n{stretched}R = {radius:.0f} nm"
        return f"{', '.join(shown) or 'no label'}{size}"
    w, x, y, z = dataset.particles.orientation[index]
    several = len(set(dataset.particles.bodies.tolist())) > 1
    name = (f"{body}, " if several else "") + stretched
    return f"{name}R = {radius:.1f} nm\nq = ({w:.3f}, {x:.3f}, {y:.3f}, {z:.3f})"


def gallery(dataset: PatternFile, count: int = 16) -> Figure:
    """Some patterns of a dataset, with radius and orientation, or with what they are labelled, under each.

    The first ones; of a labelled dataset equally many of each label, as far as it has them.
    """
    chosen = _each_label(dataset.labels, count) if dataset.label_names else range(min(count, len(dataset)))
    count = min(count, len(dataset))
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(2.6 * columns + 1.3, 2.95 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    detector = dataset.simulation.detector
    _, x_label, y_label = extent(detector)
    image = None
    for index, axes in enumerate(panels.ravel()):
        if index >= count:
            axes.set_visible(False)
            continue
        image = draw_pattern(axes, dataset.patterns(chosen[index]), detector, dataset.scale)
        # the particle stands under its pattern, so the q axes are labelled on the left and on top
        axes.set_xlabel(_legend(dataset, chosen[index]), fontsize=8)
        axes.tick_params(labelsize=7, labelbottom=False, labeltop=index < columns, top=index < columns)
    for axes in panels[:, 0]:
        axes.set_ylabel(y_label, fontsize=8)
    for axes in panels[0]:
        axes.set_title(x_label, fontsize=8)
    if image is not None:
        bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.015)
        linear = "intensity relative to each pattern's maximum"
        bar.set_label(linear if dataset.scale == "linear" else "log intensity, scaled to [0, 1]", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    optics = dataset.simulation.optics
    wavelengths = dataset.shots.optics.get("wavelength", np.array([optics.wavelength]))
    light = " to ".join(dict.fromkeys(f"{end:.4g}" for end in (wavelengths.min(), wavelengths.max())))
    figure.suptitle(
        f"{dataset.path.name}: {count} of {len(dataset)} patterns, {light} nm, "
        f"solver {dataset.simulation.solver}, absorption {optics.absorption}",
        fontsize=10,
    )
    return figure
