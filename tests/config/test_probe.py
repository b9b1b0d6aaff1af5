import pytest
@pytest.mark.django_db
def test_db():
    from django.db import connection
    with connection.cursor() as c:
        c.execute("select current_database(), current_user, to_regclass('pgmq.meta')::text"); print(c.fetchone())
def test_health(client):
    assert client.get("/healthz").content == b"ok\n"
