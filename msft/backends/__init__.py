"""Back ends of the solvers' kernels, chosen by name at each call.

Of ``exact``, each one module with the same signature, `face_sums(meshes, vectors, s)`:

- ``with_numpy``: complex128, the reference;
- ``with_numba``: complex64 and complex128, compiled, all cores.

Of ``chebyshev``, with `amplitude(columns, series, double)`:

- ``chebyshev_numpy``: complex128, the reference;
- ``chebyshev_numba``: complex64 and complex128, compiled, a particle per core, on ``moments``.

Of voxels: ``spline``, which samples them on a turned grid.

Of ``with_numba``: ``cosine_sine``, vectorised; ``counter``, which hands out its parallel tasks.
"""
