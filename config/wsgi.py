"""The web server's entry."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_wsgi_application()

from config import collector, urls  # noqa: E402, F401  (the first request finds all loaded)
from config.api import MAX_LARGE_BODY_BYTES  # noqa: E402  (the settings must be there first)
from config.bodies import with_length  # noqa: E402

application = with_length(_django, limit=MAX_LARGE_BODY_BYTES)

collector.settle()
