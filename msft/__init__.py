"""Simulation of single-shot wide-angle diffraction patterns.

Lengths are nm, angles radians, quaternions (w, x, y, z) with v_lab = R(q) v_body; the beam runs along +z and
`image[row, column] = image[y, x]` with q = 0 in pixel [n/2, n/2].

- ``errors``: the one error of bad input;
- ``seeding``: random numbers by seed and number;
- ``units``: conversions to and from SI, for files;
- ``optics``: wavelength and absorption;
- ``detector``: scattering vectors of the pixels;
- ``rotation``: quaternions;
- ``symmetry``: the icosahedral group, its fundamental domain, distances between orientations;
- ``bodies``: homogeneous bodies;
- ``distribution``: distributions of one number within a range;
- ``particle``: bodies with size, stretch and orientation, and how they are sampled;
- ``uncertainty``: optics that differ a little from pattern to pattern;
- ``shots``: everything that a pattern depends on, by its number alone;
- ``solvers``: exact, chebyshev, slices, propagation;
- ``backends``: the kernels of ``exact`` and ``chebyshev`` in NumPy, numba and CuPy, and array namespaces;
- ``pattern``: from particles to intensities;
- ``configuration``: configurations to and from JSON and TOML;
- ``compression``: patterns as HDF5 chunks;
- ``layout``: the HDF5 file of patterns, written;
- ``dataset``: the same, read;
- ``helium``: labelled images of helium droplets: labels, random droplets, their index, a reader;
- ``turns``: HDF5 for several threads; ``gathered``: writes that follow each other in a file, together;
- ``journal``: a file that is at its last commit wherever its writer stops;
- ``resumable``: HDF5 that grows in such a file, a dataset in particular;
- ``threads``, ``processes``: how many threads; tasks done by processes, in order;
- ``workers``: patterns simulated here or by several processes;
- ``generate``: datasets of random particles;
- ``shards``: datasets in several files;
- ``cluster``: datasets simulated by a dask cluster;
- ``contents``, ``validate``: what is in a file, and whether it is right;
- ``plot``: pictures of patterns and particles.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msft.detector import EwaldDetector, FlatDetector
    from msft.errors import ParameterError
    from msft.optics import Optics
    from msft.particle import ParticleDistribution, Particles
    from msft.pattern import Simulation

__version__ = "0.1.0"

__all__ = [
    "EwaldDetector",
    "FlatDetector",
    "Optics",
    "ParameterError",
    "ParticleDistribution",
    "Particles",
    "Simulation",
    "__version__",
]

_HOMES = {
    "EwaldDetector": "detector",
    "FlatDetector": "detector",
    "Optics": "optics",
    "ParameterError": "errors",
    "ParticleDistribution": "particle",
    "Particles": "particle",
    "Simulation": "pattern",
}


def __getattr__(name: str) -> Any:
    # numba and SciPy take half a second to import: only those who simulate pay it, not `msft --help`
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"msft.{_HOMES[name]}"), name)
