"""Figure 2 of Stielow et al. 2020: one pattern under every filter. The only module here with matplotlib."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure

from augment.files import check_linear
from augment.presets import ANY_WINDOW, EXPERIMENT, PAPER_GROUPS, recording_named
from msft.dataset import open_patterns
from msft.errors import ParameterError
from msft.plot import draw_pattern, extent
from msft.seeding import check_seed

DRAWS = 5
"""How often `experiment` and `any_window` are drawn each."""

_COLUMNS = 7


def preview(dataset: Path, pattern: int = 0, seed: int = 0) -> Figure:
    """One pattern under the eleven filters of the paper, and under draws of `experiment` and `any_window`.

    Parameters
    ----------
    dataset
        A dataset with linear intensities.
    pattern
        Which of its patterns.
    seed
        Of everything that is drawn.

    Raises
    ------
    ParameterError
        If the dataset, the pattern or the seed cannot be used.
    """
    check_seed(seed)
    with open_patterns(dataset) as patterns:
        check_linear(patterns)
        if not 0 <= pattern < len(patterns):
            raise ParameterError("pattern", pattern, f"0 to {len(patterns) - 1}, the patterns of {dataset}")
        intensity = torch.from_numpy(patterns.patterns(slice(pattern, pattern + 1)))
        radius, detector = float(patterns.particles.radius[pattern]), patterns.simulation.detector
    generator = torch.Generator().manual_seed(seed)
    panels = [
        (f"{name.replace('_', ' ')}\n({group})", recording_named(name)(intensity, generator)[0][0])
        for group, names in PAPER_GROUPS.items()
        for name in names
    ]
    for name in (EXPERIMENT, ANY_WINDOW):
        images, record = recording_named(name)(intensity.repeat(DRAWS, 1, 1), generator)
        for index, image in enumerate(images):
            drawn = {step.name: step.values for step in record[index].steps}
            photons, decades = drawn["photon_statistics"]["photons"], drawn["log_scale"]["decades"]
            title = f"{name.replace('_', ' ')} {index + 1}\n{photons:.0e} photons, {decades:.1f} decades"
            panels.append((title, image))
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(2.2 * _COLUMNS + 1.1, 2.45 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True)
    _, x_label, y_label = extent(detector)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for index, (axes, (title, image)) in enumerate(zip(grid.flat, panels, strict=False)):
        picture = draw_pattern(axes, image.numpy(), detector, "log")
        axes.set_title(title, fontsize=8)
        lowest = index + _COLUMNS >= len(panels)
        axes.tick_params(labelsize=7, labelbottom=lowest)
        if lowest:
            axes.set_xlabel(x_label, fontsize=8)
        if index % _COLUMNS == 0:
            axes.set_ylabel(y_label, fontsize=8)
    bar = figure.colorbar(picture, ax=grid, shrink=0.6, pad=0.01, aspect=40)
    bar.set_label("log intensity, scaled to [0, 1]", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(f"{dataset.name}, pattern {pattern}, R = {radius:.1f} nm", fontsize=10)
    return figure
