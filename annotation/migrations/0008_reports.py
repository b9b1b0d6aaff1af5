"""Reports of annotators about items, and which views they used. New tables: nothing there changes."""

import django.db.models.deletion
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0007_quiet_pages'),
    ]

    operations = [
        migrations.CreateModel(
            name='ViewUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('view', models.CharField(choices=[('differences', 'Differences')], max_length=20)),
                ('at', models.DateTimeField()),
                ('lease', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='view_uses', to='annotation.lease')),
            ],
        ),
        migrations.CreateModel(
            name='Report',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('harmful', 'Harmful content'), ('private_data', 'Someone’s private data'), ('broken', 'The item is broken'), ('other', 'It names a model, or something else')], max_length=12)),
                ('note', models.TextField(blank=True)),
                ('created_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('handled', 'Handled')], default='open', max_length=7)),
                ('handled_at', models.DateTimeField(null=True)),
                ('annotator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reports', to='annotation.membership')),
                ('completion', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.completion')),
                ('handled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reports', to='annotation.item')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['created_at'], name='report_open')],
                'constraints': [models.UniqueConstraint(models.F('annotator'), models.F('item'), models.F('completion'), models.F('reason'), django.db.models.functions.text.MD5('note'), name='report_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('reason__in', ['harmful', 'private_data', 'broken', 'other'])), name='report_reason_known'), models.CheckConstraint(condition=models.Q(models.Q(('handled_at__isnull', True), ('handled_by__isnull', True), ('state', 'open')), models.Q(('handled_at__isnull', False), ('handled_by__isnull', False), ('state', 'handled')), _connector='OR'), name='report_state_complete')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='report',
            trigger=pgtrigger.compiler.Trigger(name='report_not_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='46f36365155666479631adde4ed82e6e34802a96', operation='DELETE', pgid='pgtrigger_report_not_deleted_1c283', table='annotation_report', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='report',
            trigger=pgtrigger.compiler.Trigger(name='report_immutable', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id") OR OLD."completion_id" IS DISTINCT FROM (NEW."completion_id") OR OLD."annotator_id" IS DISTINCT FROM (NEW."annotator_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='d98ad55ab9096578058b62443f6ec1ff3da945de', operation='UPDATE', pgid='pgtrigger_report_immutable_207f5', table='annotation_report', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='report',
            trigger=pgtrigger.compiler.Trigger(name='report_handled_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."state" = \'handled\')', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='cf078e3394920996bd1032b44f8a8a34b89599cd', operation='UPDATE', pgid='pgtrigger_report_handled_once_e5e1f', table='annotation_report', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='viewuse',
            constraint=models.UniqueConstraint(fields=('lease', 'view'), name='viewuse_once_per_lease'),
        ),
        migrations.AddConstraint(
            model_name='viewuse',
            constraint=models.CheckConstraint(condition=models.Q(('view__in', ['differences'])), name='viewuse_view_known'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='viewuse',
            trigger=pgtrigger.compiler.Trigger(name='viewuse_immutable', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='623bed5f8bad9fcc7fd7afa6d0ec22ddd98a8c53', operation='UPDATE OR DELETE', pgid='pgtrigger_viewuse_immutable_a84cf', table='annotation_viewuse', when='BEFORE')),
        ),
    ]
