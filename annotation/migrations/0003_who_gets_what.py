"""Pools and positions for open slots, random ids for leases, and what decides who gets which item.

Slots that wait already are put into pools by batch, language and priority, in the order they had.
"""

import annotation.models.assignment
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


NUMBER_LEASES = """
ALTER TABLE annotation_lease DISABLE TRIGGER USER;
UPDATE annotation_lease l
SET ordinal = n.ordinal, public_id = 1 + floor(random() * (2::float8 ^ 53 - 1))::bigint
FROM (SELECT id, row_number() OVER (PARTITION BY annotator_id ORDER BY leased_at, id) AS ordinal
      FROM annotation_lease) AS n
WHERE n.id = l.id;
ALTER TABLE annotation_lease ENABLE TRIGGER USER;
"""

# The checks that wait for the end of the transaction run now: a table with pending ones cannot be altered.
FILL_POOLS = """
INSERT INTO annotation_pool (batch_id, language, category, priority)
SELECT DISTINCT a.batch_id, i.language, '', a.priority
FROM annotation_assignment a JOIN annotation_item i ON i.id = a.item_id
WHERE a.purpose = 'work';
UPDATE annotation_assignment a
SET pool_id = p.id, position = o.position
FROM (SELECT id, row_number() OVER (ORDER BY id) AS position FROM annotation_assignment) AS o,
     annotation_item i, annotation_pool p
WHERE o.id = a.id AND i.id = a.item_id AND a.purpose = 'work'
  AND p.batch_id = a.batch_id AND p.language = i.language AND p.category = '' AND p.priority = a.priority;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0002_job_tries"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE annotation_assignment_position_seq AS bigint",
            "DROP SEQUENCE annotation_assignment_position_seq",
        ),
        migrations.CreateModel(
            name='ExposureLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('category', models.CharField(max_length=40)),
                ('per_day', models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Pool',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('language', models.CharField(blank=True, max_length=35)),
                ('category', models.CharField(blank=True, max_length=40)),
                ('priority', models.IntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='PoolPlace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='TrainingTry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('items', models.PositiveIntegerField()),
                ('right', models.PositiveIntegerField(null=True)),
                ('is_passed', models.BooleanField()),
                ('finished_at', models.DateTimeField()),
            ],
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='item',
            name='item_immutable',
        ),
        migrations.RemoveConstraint(
            model_name='batch',
            name='batch_shares_in_range',
        ),
        migrations.RemoveConstraint(
            model_name='item',
            name='item_overlap_positive',
        ),
        migrations.RemoveIndex(
            model_name='assignment',
            name='assignment_open',
        ),
        migrations.RemoveIndex(
            model_name='assignment',
            name='assignment_held',
        ),
        migrations.AddField(
            model_name='assignment',
            name='position',
            field=models.BigIntegerField(db_default=models.Func(models.Value('annotation_assignment_position_seq'), function='nextval')),
        ),
        migrations.AddField(
            model_name='batch',
            name='cap_per_annotator',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='batch',
            name='overlap_max',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='batch',
            name='overlap_policy',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='batch',
            name='pass_share',
            field=models.FloatField(default=0.8),
        ),
        migrations.AddField(
            model_name='batch',
            name='purpose',
            field=models.CharField(choices=[('work', 'Work'), ('training', 'Training')], default='work', max_length=8),
        ),
        migrations.AddField(
            model_name='batch',
            name='skill',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='batch',
            name='staff',
            field=models.ManyToManyField(blank=True, related_name='+', to='annotation.membership'),
        ),
        migrations.AddField(
            model_name='item',
            name='category',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='lease',
            name='ordinal',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='lease',
            name='public_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunSQL(NUMBER_LEASES, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='lease',
            name='ordinal',
            field=models.PositiveIntegerField(),
        ),
        migrations.AlterField(
            model_name='lease',
            name='public_id',
            field=models.BigIntegerField(default=annotation.models.assignment.new_public_id, unique=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='languages',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=35), blank=True, default=list, size=None),
        ),
        migrations.AddField(
            model_name='membership',
            name='pause_reason',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='membership',
            name='paused_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='skills',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, size=None),
        ),
        migrations.AddField(
            model_name='project',
            name='daily_cap',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddIndex(
            model_name='item',
            index=models.Index(condition=models.Q(('target_overlap', 0)), fields=['batch', 'id'], name='item_gold'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='item',
            trigger=pgtrigger.compiler.Trigger(name='item_immutable', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."batch_id" IS DISTINCT FROM (NEW."batch_id") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."external_id" IS DISTINCT FROM (NEW."external_id") OR OLD."prompt" IS DISTINCT FROM (NEW."prompt") OR OLD."prompt_hash" IS DISTINCT FROM (NEW."prompt_hash") OR OLD."content_hash" IS DISTINCT FROM (NEW."content_hash") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."category" IS DISTINCT FROM (NEW."category") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='494f988ceaecc76a89547aead73785df28a175e6', operation='UPDATE', pgid='pgtrigger_item_immutable_4c357', table='annotation_item', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='batch',
            constraint=models.CheckConstraint(condition=models.Q(('gold_share__gte', 0), ('gold_share__lt', django.db.models.expressions.CombinedExpression(models.Value(1), '-', models.F('repeat_share'))), ('pass_share__gt', 0), ('pass_share__lte', 1), ('repeat_share__gte', 0)), name='batch_shares_in_range'),
        ),
        migrations.AddConstraint(
            model_name='batch',
            constraint=models.CheckConstraint(condition=models.Q(('purpose__in', ['work', 'training'])), name='batch_purpose_known'),
        ),
        migrations.AddConstraint(
            model_name='batch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('overlap_max__isnull', True), ('overlap_policy', '')), models.Q(models.Q(('overlap_policy', ''), _negated=True), ('overlap_max__gte', models.F('overlap'))), _connector='OR'), name='batch_policy_has_maximum'),
        ),
        migrations.AddConstraint(
            model_name='batch',
            constraint=models.CheckConstraint(condition=models.Q(('cap_per_annotator__isnull', True), ('cap_per_annotator__gte', 1), _connector='OR'), name='batch_cap_positive'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.UniqueConstraint(fields=('annotator', 'ordinal'), name='lease_ordinal_unique'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('daily_cap__isnull', True), ('daily_cap__gte', 1), _connector='OR'), name='project_cap_positive'),
        ),
        migrations.AddField(
            model_name='exposurelimit',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='exposure_limits', to='annotation.project'),
        ),
        migrations.AddField(
            model_name='pool',
            name='batch',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='annotation.batch'),
        ),
        migrations.AddField(
            model_name='assignment',
            name='pool',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='annotation.pool'),
        ),
        migrations.AddConstraint(
            model_name='pool',
            constraint=models.UniqueConstraint(fields=('batch', 'language', 'category', 'priority'), name='pool_one_of_each'),
        ),
        migrations.RunSQL(FILL_POOLS, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name='assignment',
            name='priority',
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['pool', 'position'], name='assignment_open'),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('state', 'leased')), fields=['annotator', 'expires_at'], name='assignment_held'),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('state', 'submitted')), fields=['annotator', 'batch', 'submitted_at'], name='assignment_done'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('pool__isnull', False), ('purpose', 'work')), models.Q(models.Q(('purpose', 'work'), _negated=True), ('pool__isnull', True), models.Q(('state', 'open'), _negated=True)), _connector='OR'), name='assignment_only_work_waits_in_pools'),
        ),
        migrations.AddField(
            model_name='poolplace',
            name='annotator',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.membership'),
        ),
        migrations.AddField(
            model_name='poolplace',
            name='pool',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.pool'),
        ),
        migrations.AddField(
            model_name='trainingtry',
            name='annotator',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='training_tries', to='annotation.membership'),
        ),
        migrations.AddField(
            model_name='trainingtry',
            name='batch',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='training_tries', to='annotation.batch'),
        ),
        migrations.AddConstraint(
            model_name='exposurelimit',
            constraint=models.UniqueConstraint(fields=('project', 'category'), name='exposurelimit_one_per_category'),
        ),
        migrations.AddConstraint(
            model_name='exposurelimit',
            constraint=models.CheckConstraint(condition=models.Q(('category', ''), _negated=True), name='exposurelimit_category_named'),
        ),
        migrations.AddConstraint(
            model_name='poolplace',
            constraint=models.UniqueConstraint(fields=('annotator', 'pool'), name='poolplace_one_per_person'),
        ),
        migrations.AddConstraint(
            model_name='trainingtry',
            constraint=models.UniqueConstraint(fields=('annotator', 'batch', 'number'), name='trainingtry_once'),
        ),
        migrations.AddConstraint(
            model_name='trainingtry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_passed', True), ('right__isnull', True)), ('right__lte', models.F('items')), _connector='OR'), name='trainingtry_right_within_items'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='trainingtry',
            trigger=pgtrigger.compiler.Trigger(name='trainingtry_immutable', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3329b68918c94b52642a914458ce7a71ad23ecce', operation='UPDATE OR DELETE', pgid='pgtrigger_trainingtry_immutable_420fb', table='annotation_trainingtry', when='BEFORE')),
        ),
    ]
