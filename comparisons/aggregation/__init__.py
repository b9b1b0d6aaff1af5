"""From judgments to answers and leaderboards: pure functions on arrays, no database.

Methods for one answer per item take a `JudgmentTable`; methods for the strengths of models take a
`ComparisonTable` or a `RankingTable`. Wherever the data cannot carry a number the result holds a sentence in
``reason``; a fit that has not converged says so in ``warnings``.
"""

from comparisons.aggregation.bradley_terry import BradleyTerryResult, fit_bradley_terry
from comparisons.aggregation.comparison_table import ComparisonTable, tabulate_comparisons
from comparisons.aggregation.crowd_bt import CrowdResult, fit_crowd_bt
from comparisons.aggregation.dawid_skene import DawidSkeneResult, fit_dawid_skene
from comparisons.aggregation.leaderboard import Effect, Standing
from comparisons.aggregation.mace import MaceResult, fit_mace
from comparisons.aggregation.majority import PluralityResult, find_plurality
from comparisons.aggregation.plackett_luce import (
    PlackettLuceResult,
    RankingTable,
    fit_plackett_luce,
    tabulate_rankings,
)
from comparisons.aggregation.posterior import Certainty, measure_certainty
from comparisons.aggregation.strength import StrengthResult, mean_strength
from comparisons.aggregation.table import JudgmentTable, tabulate_judgments

__all__ = [
    "BradleyTerryResult",
    "Certainty",
    "ComparisonTable",
    "CrowdResult",
    "DawidSkeneResult",
    "Effect",
    "JudgmentTable",
    "MaceResult",
    "PlackettLuceResult",
    "PluralityResult",
    "RankingTable",
    "Standing",
    "StrengthResult",
    "find_plurality",
    "fit_bradley_terry",
    "fit_crowd_bt",
    "fit_dawid_skene",
    "fit_mace",
    "fit_plackett_luce",
    "mean_strength",
    "measure_certainty",
    "tabulate_comparisons",
    "tabulate_judgments",
    "tabulate_rankings",
]
