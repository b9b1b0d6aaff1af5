"""What judgments mean: kinds, answers, agreement, aggregation."""

from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "comparisons"

    def ready(self) -> None:
        # Models are importable only now.
        from annotation.invariants import Invariant, immutable_tables, invariants
        from annotation.jobs import register_job
        from annotation.panels import (
            NavigationEntry,
            item_panels,
            overview_panels,
            project_navigation,
            quality_bands,
        )
        from annotation.periodic import periodic_checks
        from annotation.services.overlap import overlap_policies
        from comparisons.bands import bands_of
        from comparisons.kinds import register_kinds
        from comparisons.overlap import SEQUENTIAL
        from comparisons.panels import SEES_AGREEMENT, agreement_panel
        from comparisons.review_page import decision_panel
        from comparisons.services import agreement, statistics
        from comparisons.views_review import REVIEWS

        register_kinds()
        tables = (
            *("pairwiseanswer", "rankinganswer", "ratinganswer", "ratingchoice", "spanmark"),
            *("demonstrationanswer", "critiqueanswer", "critiqueprinciple"),
            *("blindanswer", "adjudication", "adjudicatedpreference"),
        )
        answers = immutable_tables(*(f"comparisons_{table}" for table in tables))
        invariants.register(
            "I12 answers", Invariant("I12", "answers carry an enabled trigger that forbids change", answers)
        )
        overlap_policies.register("sequential", SEQUENTIAL)
        register_job(agreement.JOB_KIND, agreement.run_agreement_job)
        register_job(statistics.JOB_KIND, statistics.run_statistics_job)
        periodic_checks.register("agreement", agreement.enqueue_stale_agreement)
        periodic_checks.register("statistics", statistics.enqueue_nightly_statistics)
        periodic_checks.register("hundreds", statistics.enqueue_statistics_of_hundreds)
        overview_panels.register("agreement", agreement_panel)
        item_panels.register("decision", decision_panel)
        quality_bands.register("proposals", bands_of)
        project_navigation.register(
            "review", NavigationEntry("Review", "check-check", "review", frozenset(REVIEWS))
        )
        project_navigation.register(
            "statistics", NavigationEntry("Statistics", "scale", "statistics", frozenset(SEES_AGREEMENT))
        )
        project_navigation.register(
            "strata", NavigationEntry("Strata", "users", "strata", frozenset(SEES_AGREEMENT))
        )
