"""Solvers of the multi-slice Fourier transform.

- ``exact``: convex polyhedra, closed form, any detector; on ``overlay``, the projected mesh;
- ``chebyshev``: any body with one chord per column, on a grid in q_perp;
- ``slices``: the papers' discretisation, the reference.
"""
