"""Simulated annotators: known skill and bias, judging over the real HTTP interface.

Pure client code (httpx, no Django, no database), so that it can drive an instance on another machine:
`truth` says what is right, `annotator` how a person departs from it, `client` speaks HTTP, `run` lets many
of them work at once. Only `references` reads the database, on the operator's side.

Everything is drawn from seeds: the same annotator answers the same item alike in every run, in whichever
order or thread it comes. Behaviour on the way to an answer (drift, spam, abandoning, double clicks, two
tabs) belongs into `run.take_turn`; what the answer is belongs into `annotator`.
"""

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.client import InstanceClient, SimulationError
from annotation.simulation.run import SimulationReport, run_simulation
from annotation.simulation.truth import ItemTruth, Truth, content_key, text_key

__all__ = [
    "InstanceClient",
    "ItemTruth",
    "SimulatedAnnotator",
    "SimulationError",
    "SimulationReport",
    "Truth",
    "content_key",
    "run_simulation",
    "text_key",
]
