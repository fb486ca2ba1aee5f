"""Forward fitting: particles whose simulated patterns agree best with measured frames, without a network.

- ``forward``: a frame and the simulation that candidates are compared with; ``setting``: which simulation;
  ``beam``: where the beam is, by patterns that are nearly right;
- ``simplex``: Nelder-Mead, many at once; ``polish``: Levenberg-Marquardt on what ``comparison`` counts;
  ``response``: again with the detector's point spread, sensitivity and noise free;
- ``fit``: frames to estimates from random starts; ``refine``: from a network's estimates; ``fitted``: the end
  of both.
"""
