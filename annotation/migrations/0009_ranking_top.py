from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0008_reports"),
    ]

    operations = [
        migrations.AddField(
            model_name="protocolversion",
            name="top",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name="protocolversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("top__isnull", True), ("top__gte", 1), _connector="OR"),
                name="protocolversion_top_positive",
            ),
        ),
    ]
