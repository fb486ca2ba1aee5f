"""The weights that come with the package, and the model card beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invert import checkpoint
from invert.checkpoint import Checkpoint
from msft.configuration import to_mapping
from msft.errors import ParameterError
from msft.output import whole

FOLDER = Path(__file__).parent / "weights"
CARD = "card"
"""Name of the model card: .json for programs, .md for people."""

DEFAULT = Path("model")
"""Where `invert train` writes, and where a model is looked for first."""

NAME = Path("shipped")
"""What the weights that ship are called on the command line."""

LARGEST = 30e6
"""Bytes of the weights at most: every installation carries them."""

LIMITS = (
    "Icosahedra only, of the radii and with the optics and the detector above.",
    "Frames must look like those of the recordings `experiment` and `any_window`: another background or a "
    "beam several pixels off the centre need a network of their own.",
    "The stated uncertainties hold for patterns as in the training, not for what a simulation leaves out.",
)


def find(model: Path | None) -> Path:
    """The model that a command uses: the one named, else the folder `model`, else the weights that ship.

    The weights that ship have the name ``shipped``, where no file or folder has it.

    Raises
    ------
    ParameterError
        If there are no weights to ship, or none is named and there is neither.
    """
    if model is not None and (model != NAME or model.exists()):
        return model
    if model is None and DEFAULT.exists():
        return DEFAULT
    if (FOLDER / checkpoint.WEIGHTS).exists():
        return FOLDER
    raise ParameterError("model", DEFAULT, "a folder that `invert train` wrote; no weights ship here")


def describe(loaded: Checkpoint) -> list[str]:
    """Which weights these are and how far they are off, in lines for people."""
    which = "the weights that ship" if loaded.path.parent == FOLDER else str(loaded.path)
    lines = [f"weights: {which} ({loaded.digest})"]
    for case, title in (("identity", "clean"), ("experiment", "as a detector records")):
        if case in loaded.errors:
            errors = loaded.errors[case]
            lines.append(
                f"  its errors on {errors['patterns']} held-out patterns, {title}: "
                f"median {errors['orientation_median_degrees']:.2g} deg, "
                f"{errors['radius_median_nm']:.2g} nm; "
                f"90 % below {errors['orientation_90_degrees']:.2g} deg, {errors['radius_90_nm']:.2g} nm"
            )
    return lines


def ship(
    loaded: Checkpoint, errors: Mapping[str, Any], test: Mapping[str, Any], folder: Path = FOLDER
) -> dict[str, Any]:
    """Write a model's weights in half precision with its card, and return the card.

    Parameters
    ----------
    loaded
        The model, as trained.
    errors
        On a test set, of the weights in half precision; see `Evaluation.as_dict`.
    test
        What the test set is, for the card.
    folder
        Where to; it is replaced as a whole.

    Raises
    ------
    ParameterError
        If the weights are larger than `LARGEST`.
    """
    model = loaded.model
    with whole(folder) as temporary:
        temporary.mkdir()
        checkpoint.save(temporary, model, loaded.training, dict(errors), loaded.provenance, half=True)
        size = (temporary / checkpoint.WEIGHTS).stat().st_size
        if size > LARGEST:
            raise ParameterError(
                "model", f"{size / 1e6:.1f} MB of weights", f"{LARGEST / 1e6:.0f} MB or less"
            )
        configuration = checkpoint.load(temporary).model.configuration
        card: dict[str, Any] = {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "bytes": size,
            "model": to_mapping(configuration),
            "training": loaded.training,
            "provenance": loaded.provenance,
            "test": dict(test),
            "errors": dict(errors),
            "limits": LIMITS,
        }
        (temporary / f"{CARD}.json").write_text(json.dumps(card, indent=2) + "\n")
        (temporary / f"{CARD}.md").write_text(_page(card))
    return card


def _page(card: Mapping[str, Any]) -> str:
    model, training, source = card["model"], card["training"], card["provenance"]
    network, low_high = model["network"], model["radius_range"]
    begun, start = [], source.get("start")
    while start:
        begun.append(
            f"- Begun with the weights {start['sha256']}, after {start['training']['images']} images; "
            f"`{start.get('command') or 'invert train'}`."
        )
        start = start.get("start")
    lines = [
        "# Weights that ship",
        "",
        "From a wide-angle pattern to an icosahedron's radius and orientation, with uncertainties.",
        "",
        f"- Network: residual, blocks {network['blocks']}, {network['width']} filters, "
        f"{network['activation']}; {card['parameters'] / 1e6:.2f} million parameters, "
        f"{card['bytes'] / 1e6:.1f} MB in half precision.",
        f"- Particles: {model['body']}, R = {low_high[0]:.0f} to {low_high[1]:.0f} nm, every orientation.",
        f"- Optics and detector: {json.dumps(model['simulation'])}.",
        f"- Data: {json.dumps(source.get('dataset', 'unknown'))}.",
        f"- Training: {training['images']} images shown in batches of {training['batch']}, filters "
        f"{', '.join(training['filters'])}, seed {training['seed']}; "
        f"`{source.get('command') or 'invert train'}`.",
        *begun,
        f"- Test: {json.dumps(card['test'])}.",
        "",
        "| recording | mean relative error | orientation: median, 90 %, 99 % | radius: median, 90 %, 99 % "
        "| radius and orientation within the 68 % interval |",
        "|---|---|---|---|---|",
    ]
    for name, row in card["errors"].items():
        if name == "best_constant_guess":
            continue
        angles = ", ".join(f"{row[f'orientation_{which}_degrees']:.2f}" for which in ("median", "90", "99"))
        radii = ", ".join(f"{row[f'radius_{which}_nm']:.2f}" for which in ("median", "90", "99"))
        covered = f"{row['radius_coverage']:.0%} and {row['orientation_coverage']:.0%}"
        lines.append(
            f"| {name.replace('_', ' ')} | {row['mean_relative_error']:.2%} | {angles} degrees | {radii} nm "
            f"| {covered} |"
        )
    return "\n".join([*lines, "", "Limits:", "", *(f"- {limit}" for limit in card["limits"])]) + "\n"
