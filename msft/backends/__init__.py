"""Back ends of the exact solver's kernel, chosen by name at each call.

Each is one module with the same signature, `face_sums(meshes, vectors, s)`:

- ``with_numpy``: complex128, the reference;
- ``with_numba``: complex64 and complex128, compiled, all cores.

Of ``with_numba``: ``cosine_sine``, vectorised; ``counter``, which hands out its parallel tasks.
"""
