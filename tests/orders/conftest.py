"""The mail server of a test."""

import logging
import socket

import pytest

from tests.orders.post_office import PostOffice


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
