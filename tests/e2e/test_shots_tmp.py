import pytest
from tests.e2e.conftest import PHONE, WIDE
from tests.exporters.releases import cut, judged_world
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
@pytest.mark.parametrize("size,theme", [(WIDE,"light"),(PHONE,"dark")])
def test_s(open_page, size, theme):
    world = judged_world([[-2, 2, 1, 1, -1]])
    cut(world); cut(world, {"labels":"every"}, version="night.2")
    page = open_page(world.member("engineer").user, size=size, theme=theme)
    for n, rest in (("list",""),("one","/1")):
        page.goto(f"/projects/{world.project.slug}/releases{rest}")
        page.screenshot(path=f"/tmp/exp/{n}-{theme}.png", full_page=True)
