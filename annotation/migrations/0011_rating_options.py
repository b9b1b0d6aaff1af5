from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0010_per_turn"),
    ]

    operations = [
        migrations.AddField(
            model_name="protocolversion",
            name="has_choice",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="criterion",
            name="is_optional",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
