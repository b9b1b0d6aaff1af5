"""Simulated annotators: known skill, bias and bad habits, judging over the real HTTP interface.

Pure client code (httpx, no Django, no database), so that it can drive an instance on another machine:
`truth` says what is right, `annotator` how a person departs from it, `answers` how that is written for each
kind; `client` speaks HTTP, `turns` is a person's way to an answer (walking away, coming back, double clicks,
two tabs; `habits` says how often), `run` lets many of them work at once, `population` makes them. `sample`
draws their judgments without any instance, for tests of statistics. Only `references` and `accounts` touch
the database, on the operator's side.

Everything is drawn from seeds: the same annotator answers the same item alike in every run, in whichever
order or thread it comes, and walks away from it or clicks twice on it alike. Not drawn from seeds, because the
instance or a race decides: who is given which item and in which order (hence what drifting skill and
alternating spam make of an item, and which turns fall to two tabs), which of two different answers sent at
once is taken, and whether an answer after an abandoned lease is still in time.
"""

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.client import InstanceClient, SimulationError
from annotation.simulation.habits import Habits
from annotation.simulation.population import BEHAVIOURS, Behaviour, make_population
from annotation.simulation.report import SimulationReport
from annotation.simulation.run import run_simulation
from annotation.simulation.truth import ItemTruth, Truth, content_key, text_key

__all__ = [
    "BEHAVIOURS",
    "Behaviour",
    "Habits",
    "InstanceClient",
    "ItemTruth",
    "SimulatedAnnotator",
    "SimulationError",
    "SimulationReport",
    "Truth",
    "content_key",
    "make_population",
    "run_simulation",
    "text_key",
]
