"""The course of the learning rate."""

import math


def learning_rate_factor(schedule: str, step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Give the factor of the learning rate at a step.

    It depends on the step alone, so there is no state to save.

    Parameters
    ----------
    schedule : {"constant", "cosine"}
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
    return 0.5 * (1 + math.cos(math.pi * share))
