"""What a job needs to be tried again, cancelled and looked at: see `annotation.models.Job`.

The defaults suit the rows there are: none is a dead letter, and the unfinished have all their tries ahead.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="tries",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="run_after",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="traceback",
            field=models.TextField(default=""),
        ),
        migrations.AddField(
            model_name="job",
            name="is_dead_letter",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="job",
            name="cancel_wanted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "-created_at"], name="job_of_project"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_dead_letter", False), ("state", "failed"), _connector="OR"),
                name="job_dead_letter_has_failed",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "queued"), _negated=True),
                    ("cancel_wanted_at__isnull", True),
                    _connector="OR",
                ),
                name="job_queued_is_wanted",
            ),
        ),
    ]
