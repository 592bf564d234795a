"""Training: stochastic gradients of any loss over rows of data, and nothing of models.

A `Source` gives batches of rows, a step turns a batch into named terms and a loss, and `train`
moves the parameters. All that decides the next step is in a checkpoint, so that a run that was
killed goes on to the same parameters, bit for bit, on the same machine.
"""
