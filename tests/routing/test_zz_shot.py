from django.urls import reverse
from tests.routing import scenes
from tests.routing.scenes import route
from tests.routing.test_decide import more_points
from playwright.sync_api import sync_playwright
def test_shot(live_company, live_server):
    c=live_company
    u=c.user("ada", is_staff=True, is_superuser=True)
    more_points(c, 6)
    scenes.queue_when_short(c)
    a=route(c.place(("BAG",8),("SOLD",2)))
    b=route(c.place(("TEE",2),("MUG",1)))
    from django.test import Client
    cl=Client(); cl.force_login(u); sid=cl.cookies["sessionid"].value
    with sync_playwright() as p:
        br=p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name,w,scheme in (("desk",1280,"light"),("phone",360,"light"),("dark",1280,"dark")):
            ctx=br.new_context(viewport={"width":w,"height":900}, color_scheme=scheme)
            ctx.add_cookies([{"name":"sessionid","value":sid,"url":live_server.url}])
            pg=ctx.new_page()
            for k,url in (("split",reverse("admin:routing_decision_change",args=[a.pk])),("one",reverse("admin:routing_decision_change",args=[b.pk])),("list",reverse("admin:routing_decision_changelist")),("rules",reverse("admin:routing_ruleset_change",args=[c.rules.pk])),("order",reverse("admin:orders_order_change",args=[a.order_id]))):
                pg.goto(live_server.url+url); pg.wait_for_timeout(500)
                pg.screenshot(path=f"/tmp/shot_{k}_{name}.png", full_page=True)
                print(k,name,pg.evaluate("[document.documentElement.scrollWidth, innerWidth]"))
        br.close()
    assert 0
