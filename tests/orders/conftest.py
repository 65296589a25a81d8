"""The mail server of a test, and a channel that is a Shopify shop."""

import logging
import socket

import pytest

from inventory import ledger
from inventory.models import Product
from orders.models import SalesChannel
from tests.orders.connectors import samples
from tests.orders.post_office import PostOffice

SECRET = "shpss_0123456789abcdef"  # signs the webhooks of the Shopify shop


@pytest.fixture
def post(settings):
    """The post office, open, and the settings that lead to it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every line
    office = PostOffice(port)
    office.open()
    yield office
    office.close()


@pytest.fixture
def shopify(company) -> SalesChannel:
    """The web channel as a Shopify shop that sells what the samples hold."""
    for name in samples.WEBHOOKS:
        for line in samples.webhook(name)["line_items"]:
            if line.get("sku"):
                Product.objects.get_or_create(sku=line["sku"], defaults={"name": line["name"]})
    stores = [company.locations["LYON"], company.locations["PARIS"]]
    entries = [
        ledger.Entry(product, store.pk, "opening", on_hand=50)
        for product in Product.objects.values_list("pk", flat=True)
        for store in stores
    ]
    ledger.post(entries, actor="test")
    SalesChannel.objects.update(shopify_secret=SECRET)
    return SalesChannel.objects.get()
