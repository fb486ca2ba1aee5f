"""Solvers.

Of the multi-slice Fourier transform:

- ``exact``: convex polyhedra, closed form, any detector; on ``overlay``, projected meshes, which
  ``overlay_cells`` finds;
- ``chebyshev``: any body, on a grid in q_perp; on ``quadrature``, where its columns stand, ``gauss``, how
  many of them there are, ``series``, how many terms they need, ``projection``, the same of voxels, and
  ``on_device``, all but the columns on a GPU;
- ``slices``: the papers' discretisation, the reference.

Of the wave: ``propagation``, the split step, any body; on ``propagation_grid``, how finely a particle is
sampled, and ``slice_paths``, its material in each slice.

``portions``: as many patterns at a time as fit into memory. ``interpolation``: from grids in q_perp to flat
detectors.
"""
