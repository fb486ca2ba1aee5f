"""From patterns to particles: networks that invert, how they are trained, and what they answer.

- ``backbone``: networks from an image to features, which know nothing of particles;
- ``heads``: from features to answers;
- ``targets``: answers as the numbers that a network regresses;
- ``icosahedral_code``: the smooth image of an orientation in 13 dimensions;
- ``model``: configuration, backbone, head and target as one; ``checkpoint``: its file; ``folded``: a trained
  network as it answers;
- ``presets``: named configurations;
- ``data``: datasets in memory; ``examples``: what a regression learns from, stored or simulated meanwhile;
  ``dihedral``: the symmetries of the square that one pattern is shown in;
- ``trainer``: training with Lightning, whatever is learned, which a ``task`` says; ``loop``: its steps, and
  ``captured``: their gradients as a CUDA graph; ``plan``: how long and in which order;
  ``hardware``: on how many devices; ``ahead``: batches made beside the network; ``prepared``: as the network
  takes them; ``beside``: where patterns are simulated for it; ``synchronised``: batch normalisation over
  processes; ``loggers``, ``quiet``: what Lightning writes, and what it does not;
- ``resumption``: the state of a training that was stopped; ``train``: a model trained on a dataset;
- ``shipped``: the weights that come with the package, and their card;
- ``uncertainty``: how sure a trained network is;
- ``metrics``: the papers' errors and angles; ``evaluate``: a model on a dataset;
- ``frames``: measured frames from HDF5, by ``reading``; ``estimate``: what every inverter returns;
- ``predict``: frames to estimates with a network, judged by ``agreement`` with ``contrast``, and ``quality``
  with ``fringes``; ``stream``: all frames of a file; ``behind``: what is written meanwhile;
- ``predictions``: estimates as HDF5, in the ``prediction_layout``; ``table``: as CSV and for people;
  ``report``: as a page;
- ``watch``: a folder in which frames appear; ``pictures``: PNG, TIFF and arrays to HDF5;
- ``forward``: a frame and the simulation that candidates are compared with; ``setting``: which simulation;
- ``simplex``: Nelder-Mead, many at once; ``polish``: Levenberg-Marquardt on what ``comparison`` counts;
  ``response``: again with the detector's point spread, sensitivity and noise free; ``centre``: the beam;
- ``fit``: frames to estimates from random starts; ``refine``: from a network's estimates; ``fitted``: the end
  of both;
- ``inputs``: frames as classifiers see them; ``labels``: frames with labels, from files;
- ``classifier``: which labels, input and network, and their file; ``classification_presets``: named
  configurations; ``classification``: training; ``scores``: how good predicted labels are;
- ``classify``: frames to labels; ``keep``: frames chosen by their labels; ``explain``: what in an image
  speaks for a label;
- ``figures``, ``label_figures``: figures. The only modules of this package that know matplotlib.
"""
