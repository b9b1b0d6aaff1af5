from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0010_per_turn"),
        ("comparisons", "0005_statistics"),
    ]

    operations = [
        migrations.AddField(
            model_name="pairwiseanswer",
            name="turn",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.RemoveConstraint(
            model_name="pairwiseanswer",
            name="pairwiseanswer_one_per_criterion",
        ),
        migrations.AddConstraint(
            model_name="pairwiseanswer",
            constraint=models.UniqueConstraint(
                fields=("judgment", "criterion", "turn"),
                name="pairwiseanswer_one_per_criterion_and_turn",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="pairwiseanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("turn__isnull", True), ("turn__gte", 1), _connector="OR"),
                name="pairwiseanswer_turn_from_one",
            ),
        ),
    ]
