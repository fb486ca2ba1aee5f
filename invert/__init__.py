"""From patterns to particles: networks that invert, how they are trained, and what they answer.

- ``training``: how networks are trained; ``fitting``: particles found without one; ``labelling``: networks
  that classify; ``reading``: any HDF5 with frames;
- ``backbone``: networks from an image to features, which know nothing of particles;
- ``heads``: from features to answers;
- ``targets``: answers as the numbers that a network regresses;
- ``icosahedral_code``: the smooth image of an orientation in 13 dimensions;
- ``model``: configuration, backbone, head and target as one; ``checkpoint``: its file; ``folded``: a trained
  network as it answers; ``shipped``: the weights that come with the package, and their card;
- ``presets``: named configurations;
- ``data``: datasets in memory; ``dihedral``: the symmetries of the square that one pattern is shown in;
- ``ahead``: what is made beside the network; ``beside``: where patterns are simulated for it;
- ``metrics``: the papers' errors and angles; ``evaluate``: a model on a dataset; ``overlap``: whether it has
  learned from that; ``uncertainty``: how sure a trained network is;
- ``frames``: measured frames from HDF5; ``centre``: where the beam was;
- ``estimate``: what every inverter returns;
- ``predict``: frames to estimates with a network, judged by ``agreement`` with ``contrast``, and ``quality``
  with ``fringes``;
- ``inverter``: what inverts frames, a ``network_inverter`` or a ``fitting_inverter``; ``stream``: all frames
  of a file; ``processes``: by several; ``behind``: what is written meanwhile; ``kept``: what is not replaced;
- ``predictions``: estimates as HDF5, in the ``prediction_layout``; ``table``: as CSV and for people;
  ``report``: as a page;
- ``watch``: a folder in which frames appear; ``pictures``: PNG, TIFF and arrays to HDF5;
- ``figures``: figures. It and ``labelling.label_figures`` are the only modules of this package that know
  matplotlib.
"""
