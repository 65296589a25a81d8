"""Caught mail in the console: readable by staff, harmless whatever it holds."""

from email.message import EmailMessage

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from orders import mailbox

pytestmark = pytest.mark.django_db
LIST = "/admin/mailbox/"
LINK = "http://127.0.0.1:8000/track/AbC_d-9/"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.CAUGHT_MAIL_DIR = tmp_path / "mail"
    settings.CAUGHT_MAIL_DIR.mkdir()
    return settings.CAUGHT_MAIL_DIR


@pytest.fixture
def staff(django_user_model):
    user = django_user_model.objects.create_user("ops", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client = Client()
    client.force_login(user)
    return client


def catch(folder, number, *, subject="Hello", text="", html="") -> str:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "orders@maestro.example", "ana@example.org"
    mail.set_content(text or "Hello Ana")
    if html:
        mail.add_alternative(html, subtype="html")
    name = f"20261123T1000{number:02}.000000Z-0a1b2c3d.eml"
    (folder / name).write_bytes(b"X-Caught-For: ana@example.org\r\n" + mail.as_bytes())
    return name


def test_the_newest_mail_comes_first(staff, folder):
    for number in (1, 3, 2):
        catch(folder, number, subject=f"Message {number}")
    page = staff.get(LIST).content.decode()
    places = [page.index(f"Message {number}") for number in (3, 2, 1)]
    assert places == sorted(places)
    assert "ana@example.org" in page


def test_an_empty_mailbox_says_what_to_do(staff, folder):
    assert "Place an order" in staff.get(LIST).content.decode()
    folder.rmdir()
    assert "No mail was caught yet" in staff.get(LIST).content.decode()


def test_many_mails_are_shown_in_pages(staff, folder):
    for number in range(60):
        catch(folder, number, subject=f"Message {number:02}")
    first, second = (staff.get(LIST, {"page": n}).content.decode() for n in (1, 2))
    assert "Message 59" in first
    assert "Message 09" not in first
    assert "Message 09" in second
    assert "60 messages" in second


def test_a_mail_shows_its_text_and_leads_to_the_customers_page(staff, folder):
    name = catch(folder, 1, subject="Žluťoučký kůň", text=f"Hello <Ana>\n{LINK}\n")
    answer = staff.get(f"{LIST}{name}/")
    page = answer.content.decode()
    assert "Žluťoučký kůň" in page
    assert "Hello &lt;Ana&gt;" in page
    assert f'href="{LINK}"' in page
    assert answer["Cache-Control"] == "no-store"


def test_html_is_shown_only_in_a_frame_that_may_do_nothing(staff, folder):
    evil = '"><script>alert(1)</script></iframe><img src=x onerror=alert(2)>'
    name = catch(folder, 1, subject=evil, text=evil, html=f"<p>{evil}</p>")
    page = staff.get(f"{LIST}{name}/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    frame = page[page.index("<iframe") : page.index("</iframe>")]
    assert 'sandbox=""' in frame
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/iframe&gt;" in frame


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe\x00", b"no headers at all",
        b"Subject: =?x?q?=80?=\r\nFrom: <<>>,;\r\n\r\nbody",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe9",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/plain; a*\r\n\r\nthe parser of Python 3.11 stumbles",
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
    ],
)  # fmt: skip
def test_a_broken_message_is_shown_as_well_as_it_can_be(staff, folder, content):
    (folder / "broken.eml").write_bytes(content)
    catch(folder, 1, subject="A good one")
    assert "A good one" in staff.get(LIST).content.decode()
    assert staff.get(f"{LIST}broken.eml/").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["../secret.eml", "..%2Fsecret.eml", "%2e%2e%2fsecret.eml", "/secret.eml", "..", "x.txt",
     "linked.eml", "folder.eml", ".hidden.eml", "secret.eml%00", "nothing.eml", "a\\..\\b.eml"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(staff, folder, name):
    (folder.parent / "secret.eml").write_text("Subject: secret\n\nsecret")
    (folder / "x.txt").write_text("Subject: secret\n\nsecret")
    (folder / ".hidden.eml").write_text("Subject: secret\n\nsecret")
    (folder / "linked.eml").symlink_to(folder.parent / "secret.eml")
    (folder / "folder.eml").mkdir()
    assert staff.get(f"{LIST}{name}/").status_code == 404
    assert "secret" not in staff.get(LIST).content.decode()
    assert mailbox.names(folder) == []


def test_only_staff_with_the_permission_read_mail(client, folder, django_user_model):
    name = catch(folder, 1)
    for url in (LIST, f"{LIST}{name}/"):
        assert client.get(url).status_code == 302
    client.force_login(django_user_model.objects.create_user("shop"))
    assert client.get(LIST).status_code == 302
    client.force_login(django_user_model.objects.create_user("clerk", is_staff=True))
    for url in (LIST, f"{LIST}{name}/"):
        assert client.get(url).status_code == 403


def test_the_mailbox_is_only_read(staff, folder):
    name = catch(folder, 1)
    assert staff.post(LIST).status_code == 405
    assert staff.delete(f"{LIST}{name}/").status_code == 405
    assert mailbox.names(folder) == [name]
