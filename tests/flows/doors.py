"""The people and machines of a story, each at their own door; nothing here knows the inside."""

import html
import json
import re
from urllib.parse import urlparse

from django.core import mail
from django.test import Client
from django.urls import reverse

from config import outbox


def workers() -> None:
    """Everything that is due gets done, as relay and workers would."""
    outbox.drain_all()


class Rest:
    """A machine with a key."""

    def __init__(self, key: str) -> None:
        self.client, self.key = Client(), key

    def __call__(
        self, method: str, path: str, body: dict | None = None, *, expect: int = 200
    ) -> dict:
        answer = self.client.generic(
            method, f"/api/v1/{path}", json.dumps(body) if body is not None else "",
            content_type="application/json", headers={"Authorization": f"Bearer {self.key}"},
        )  # fmt: skip
        assert answer.status_code == expect, answer.content
        return answer.json()


class Person:
    """Somebody with a browser, and a password where there is a door."""

    door = "/admin/login/"

    def __init__(self, user=None) -> None:
        self.client, self.words = Client(), ""
        if user is not None:
            sign_in = {"username": user.get_username(), "password": "a long password"}
            assert self.client.post(self.door, sign_in).status_code == 302

    def read(self, answer) -> str:
        assert answer.status_code < 400, answer.content[-2000:]
        self.words = text(answer.content.decode())
        return answer.content.decode()

    def opens(self, url: str) -> str:
        return self.read(self.client.get(url, follow=True))

    def sends(self, url: str, **data) -> str:
        return self.read(self.client.post(url, {"csrfmiddlewaretoken": "x", **data}, follow=True))


class StoreClerk(Person):
    """Works through what the store's page shows."""

    door = "/store/login/"

    def works_on(self, number: str) -> None:
        self.work = next(
            url for url in re.findall(r'href="(/store/work/\d+/)"', self.opens("/store/"))
            if number in self.opens(url)
        )  # fmt: skip

    def presses(self, button: str, **data) -> str:
        return self.sends(f"{self.work}{button}/", **data)


def text(page: str) -> str:
    plain = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(plain))


def link_in_mail() -> str:
    """The customer's page, from the newest mail."""
    body = mail.outbox[-1].body
    return urlparse(re.search(r"https?://\S+/track/\S+", body)[0]).path


def action(thing, name: str) -> str:
    """A button of the console."""
    app, model = thing._meta.app_label, thing._meta.model_name
    return reverse(f"admin:{app}_{model}_{name}", args=[thing.pk])
