"""Arrows between the rooms point left, and heavy imports stay in theirs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"msft": "msft", "augment": "augment", "invert": "invert", "msft_cli": "cli"}
"""Packages in the order of the arrows, and their folders."""

ROOMS = {
    "matplotlib": {
        "msft/plot.py",
        "augment/figures.py",
        "invert/figures.py",
        "invert/labelling/label_figures.py",
    },
    "mpl_toolkits": {"msft/plot.py", "invert/figures.py"},
    "numba": {
        "msft/bodies/shape.py",
        "msft/bodies/lines.py",
        "msft/bodies/chords.py",
        "msft/bodies/creases.py",
        "msft/bodies/overlaps.py",
        "msft/solvers/overlay.py",
        "msft/solvers/overlay_cells.py",
        "msft/backends/compilation.py",
        "msft/backends/with_numba.py",
        "msft/backends/chebyshev_numba.py",
        "msft/backends/moments.py",
        "msft/backends/columns.py",
        "msft/backends/extents.py",
        "msft/backends/pieces.py",
        "msft/backends/phases.py",
        "msft/backends/places.py",
        "msft/backends/spline.py",
        "msft/backends/cosine_sine.py",
        "msft/backends/counter.py",
        "augment/compiled/fields.py",
        "augment/compiled/shift.py",
        "augment/compiled/blur.py",
        "augment/compiled/response.py",
        "augment/compiled/hidden.py",
        "augment/compiled/scaling.py",
    },
    "cupy": {"msft/backends/arrays.py", "msft/backends/with_cupy.py"},
    "pyplot": set[str](),
}
"""Where a heavy package may be imported."""

SOURCES = sorted(path for folder in FOLDERS.values() for path in (ROOT / folder).rglob("*.py"))
each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of everything that a tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, "two dots may leave the room unseen"
            prefix = f"{'.' * node.level}{node.module or ''}"
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def at_module_level(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    """What importing the module imports; not what its functions do, nor what type checkers alone see."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ClassDef):
            yield from at_module_level(node)
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield from imports(node)


def test_every_folder_is_installed() -> None:
    """A copy has the folders that are listed; a checkout that is installed to be edited has them all."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        installed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    found = {".".join((package_of(path), *path.parent.relative_to(ROOT).parts[1:])) for path in SOURCES}
    assert sorted(installed) == sorted(found)


def package_of(path: Path) -> str:
    folder = path.relative_to(ROOT).parts[0]
    return next(package for package, where in FOLDERS.items() if where == folder)


def test_there_are_sources_in_every_room() -> None:
    assert {package_of(path) for path in SOURCES} == set(FOLDERS)


@each_source
def test_arrows_point_left(path: Path) -> None:
    order = list(FOLDERS)
    right = order[order.index(package_of(path)) + 1 :]
    found = {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))}
    assert not found & {*right, "cli", "tests", "benchmarks"}


@each_source
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for found in imports(ast.parse(path.read_text())):
        for part in found.split("."):
            assert part not in ROOMS or name in ROOMS[part], f"{found} in {name}"


def test_loops_of_filters_take_functions_from_their_own_file_alone() -> None:
    """Numba's cache looks at the file of the kernel: what it took from another one would stay as it was."""
    compiled = ROOT / "augment" / "compiled"
    for path in compiled.glob("*.py"):
        found = {name for name in imports(ast.parse(path.read_text())) if name.startswith("augment")}
        allowed = {"COMPILED", "INLINED", "over_images"}
        assert found <= {f"augment.compiled.parts.{name}" for name in allowed}, path.name


@each_source
def test_torch_is_not_in_the_simulation_nor_loaded_by_the_command_line(path: Path) -> None:
    tree = ast.parse(path.read_text())
    heavy = {"torch", "lightning", "safetensors"}
    if package_of(path) == "msft":
        assert not heavy & {name.partition(".")[0] for name in imports(tree)}
    if package_of(path) == "msft_cli":
        rooms_with_torch = {"augment", "invert", "matplotlib"}
        found = {name.partition(".")[0] for name in at_module_level(tree)}
        assert not (heavy | rooms_with_torch) & found


@each_source
def test_no_folder_of_odds_and_ends(path: Path) -> None:
    assert not {"utils", "util", "helpers", "misc"} & set(path.relative_to(ROOT).with_suffix("").parts)


def test_importing_the_simulation_is_light() -> None:
    heavy = ["matplotlib", "torch", "lightning", "quaternion", "cupy"]
    code = f"import sys, msft, msft.generate; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
