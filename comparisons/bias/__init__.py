"""What else than content moves preferences: pure functions on arrays, no database."""

from comparisons.bias.regression import BiasReport, Effect, holm, preference_effects
from comparisons.bias.traits import TRAITS, trait_differences

__all__ = ["TRAITS", "BiasReport", "Effect", "holm", "preference_effects", "trait_differences"]
