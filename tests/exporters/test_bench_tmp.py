import time, uuid, pytest, tracemalloc, resource
from annotation.models import *
from comparisons.models import PairwiseAnswer
from django.db import connection
from tests.factories import *
from tests.exporters.releases import cut
pytestmark = pytest.mark.django_db(transaction=True)
def test_b():
    w = make_world(); b = w.batch(items=0, overlap=3); N=10000
    crit = b.protocol.criteria.get(key="overall"); g = w.project.guidelines.get()
    people=[w.member() for _ in range(3)]
    items = Item.objects.bulk_create([Item(batch=b, project=w.project, number=i+1, external_id=f"r{i}", prompt=[{"role":"user","content":f"Q{i} "*60}], prompt_hash=digest(i), content_hash=digest(i), target_overlap=3) for i in range(N)], batch_size=2000)
    Completion.objects.bulk_create([Completion(item=it, position=p, messages=[{"role":"assistant","content":f"A{it.pk} {p} "*100}], content_hash=digest([it.pk,p]), source_line=1) for it in items for p in (0,1)], batch_size=2000)
    asg = Assignment.objects.bulk_create([Assignment(item=it, batch=b, number=k+1, state="submitted", annotator=people[k], attempt=1, submitted_at=NOW) for it in items for k in range(3)], batch_size=2000)
    js = Judgment.objects.bulk_create([Judgment(assignment=a, item_id=a.item_id, batch=b, annotator=a.annotator, guideline=g, protocol=b.protocol, attempt=1, submission_id=uuid.uuid4(), state="accepted", display_order=[0,1], created_at=NOW) for a in asg], batch_size=2000)
    PairwiseAnswer.objects.bulk_create([PairwiseAnswer(judgment=j, criterion=crit, preference=(j.pk%7)-3 or 1) for j in js], batch_size=2000)
    from exporters.snapshot import select_rows
    from exporters.settings import release_settings
    from django.db import reset_queries
    connection.force_debug_cursor=True
    def wrap(execute, sql, params, many, context):
        t=time.time(); r=execute(sql, params, many, context); d=time.time()-t
        if d>0.3: print("SLOW %.2f"%d, sql[:1500])
        return r
    with connection.execute_wrapper(wrap):
        select_rows(w.project, release_settings({}))
    for k in range(2):
        t=time.time(); s=select_rows(w.project, release_settings({})); print("select", time.time()-t, len(s.rows))
        connection.cursor().execute("ANALYZE")
    t=time.time(); r,j=cut(w); print("cut", time.time()-t, j.error, r.manifest.get("rows"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3)
