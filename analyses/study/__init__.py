"""The engine of the studies: plan, run, read, gather, judge, render.

A study is models, measures and claims. It says what is trained, what is measured of a run, and
what its page says of the numbers; training, resuming, seeds, processes, provenance, JSON, Markdown
and figures are done here.
"""

from study.command import run_command
from study.gather import Facts, Measure, gather, over_seeds
from study.judge import Claim, Reported, by_line, compare, in_words, judge
from study.plan import Model, Request, Run, Study
from study.read import read_measures, seconds_of
from study.run import finish_run, train_settings

__all__ = [
    "Claim",
    "Facts",
    "Measure",
    "Model",
    "Reported",
    "Request",
    "Run",
    "Study",
    "by_line",
    "compare",
    "finish_run",
    "gather",
    "in_words",
    "judge",
    "over_seeds",
    "read_measures",
    "run_command",
    "seconds_of",
    "train_settings",
]
