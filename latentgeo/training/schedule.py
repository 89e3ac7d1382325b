"""The course of the learning rate."""

import math

# Those of the published code of the Wasserstein autoencoder, for 100 epochs.
_STEPS = ((0.3, 0.5), (0.5, 0.2))


def learning_rate_factor(schedule: str, step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Return the factor of the learning rate at a step.

    It depends on the step alone, so there is no state to save.

    Parameters
    ----------
    schedule : {"constant", "cosine", "steps"}
        The course after the warm-up.
    step : int
        Steps that were made before this one.
    warmup_steps : int
        Steps of linear rise.
    total_steps : int
        Steps of the whole run.

    Returns
    -------
    float
        In (0, 1].
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    share = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    if schedule == "steps":
        return math.prod(factor for start, factor in _STEPS if share >= start)
    return 0.5 * (1 + math.cos(math.pi * share))
