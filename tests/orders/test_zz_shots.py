from django.test import Client
from tests.orders.journeys import *
from playwright.sync_api import sync_playwright
def test_x(live_company, live_server, post, settings, tmp_path, django_user_model):
    settings.CAUGHT_MAIL_DIR = tmp_path
    o = live_company.place(("TEE", 2), ("MUG", 1), external_id="#1001")
    outbox.drain("notify")
    for i,m in enumerate(post.mails):
        (tmp_path/f"20261123T10000{i}.000000Z-0a1b2c3d.eml").write_bytes(b"X-Caught-For: ana@example.org\r\n"+m.as_bytes())
    u=django_user_model.objects.create_superuser("boss","b@x.example","a long password")
    c=Client(); c.force_login(u); sid=c.cookies["sessionid"].value
    with sync_playwright() as p:
        b=p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for scheme in ["light","dark"]:
            for w in [360,1280]:
                cx=b.new_context(viewport={"width":w,"height":1300},color_scheme=scheme)
                cx.add_cookies([{"name":"sessionid","value":sid,"url":live_server.url}])
                pg=cx.new_page(); pg.on("console", lambda m: print("CONSOLE",m.text)); 
                pg.goto(live_server.url+"/admin/mailbox/"); pg.locator(".mailbox a").first.click(); pg.wait_for_load_state(); pg.wait_for_timeout(500)
                print(w, pg.locator("iframe").bounding_box(), pg.evaluate("document.documentElement.scrollWidth"))
                pg.screenshot(path=f"/tmp/shots/mail-{scheme}-{w}.png")
                cx.close()
