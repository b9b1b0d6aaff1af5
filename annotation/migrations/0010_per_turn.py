from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0009_ranking_top"),
    ]

    operations = [
        migrations.AddField(
            model_name="protocolversion",
            name="per_turn",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
