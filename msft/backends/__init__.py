"""Back ends, chosen by name at each call.

- ``arrays``: the array namespaces, NumPy's and CuPy's, for solvers that are written once on either.

Of the exact solver's kernel each is one module with the same signature,
`face_sums(meshes, vectors, s, wanted)`:

- ``with_numpy``: complex128, the reference;
- ``with_numba``: complex64 and complex128, compiled, all cores;
- ``with_cupy``: complex64 and complex128, on an NVIDIA GPU, where the result stays.

Of ``chebyshev``, with `amplitude(columns, series, double)`:

- ``chebyshev_numpy``: complex128, the reference;
- ``chebyshev_numba``: complex64 and complex128, compiled, a particle per core, on ``moments``;
- ``chebyshev_cupy``: complex64 and complex128, on an NVIDIA GPU, where the result stays.

``choice``: names, and what each one computes with; ``compilation``: when numba compiles. Of ``with_numba``:
``cosine_sine``, vectorised; ``counter``, which hands out its parallel tasks. Of ``with_cupy``:
``face_sums.cu``, the kernels. Of ``chebyshev_cupy``: ``chebyshev.cu``, the kernels; ``column_batch``, what
they read of columns, and ``extents``, how much they compute; ``pinned``, how it gets there. Of all three:
``columns``, those of many particles in one compiled call, on ``pieces``, where rows meet creases, ``phases``,
how much the integrand turns between them, and ``places``, the points. Of voxels: ``spline``, which samples
them on a turned grid.
"""
