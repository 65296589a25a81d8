"""The small company every test may use."""

import os

import pytest

from tests import cast


@pytest.fixture(autouse=True)
def _fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop


@pytest.fixture(autouse=True)
def _plain_static_files(settings):
    # Pages are rendered without collecting (and compressing) static files first.
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}


@pytest.fixture
def company(db) -> cast.Company:
    """Two warehouses and two stores, five products, a web channel with its key."""
    return cast.build()


@pytest.fixture
def live_company(transactional_db) -> cast.Company:
    """The same company, committed: for threads, processes and real servers."""
    return cast.build()


@pytest.fixture
def console(client, django_user_model, settings, tmp_path):
    """The console as somebody sees it who may do everything; uploaded files go elsewhere."""
    settings.MEDIA_ROOT = tmp_path / "media"
    boss = django_user_model.objects.create_user("boss", is_staff=True, is_superuser=True)
    client.force_login(boss)
    return client
