"""The small company every test may use."""

import os

import pytest
from django.db import connection

from tests import cast

# Files whose tests mostly wait for processes: begun first, the others are done beside them.
PATIENT = ("tests/storms/", "tests/config/test_run.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(PATIENT))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database, where tests may empty the ledger."""
    # The ledger's owner gave up these rights (inventory/migrations/0004); tests empty all tables.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "GRANT TRUNCATE ON inventory_stockmovement, inventory_ledgerseal,"
            " inventory_settinghistory TO CURRENT_USER"
        )


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
