"""How networks are trained, whatever they learn.

- ``trainer``: training with Lightning, of what a ``task`` says; ``loop``: its steps, and ``captured``: their
  gradients as a CUDA graph; ``plan``: how long and in which order;
- ``prepared``: batches as the network takes them; ``hardware``: on how many devices; ``synchronised``: batch
  normalisation over processes; ``loggers``, ``quiet``: what Lightning writes, and what it does not;
- ``resumption``: the state of a training that was stopped;
- ``examples``: what a regression learns from, stored or simulated meanwhile; ``train``: a model trained on a
  dataset.
"""
