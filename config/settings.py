"""One settings file, fed by the environment only (12-factor): see docs/deploy.md."""

from pathlib import Path

import environ
from csp.constants import NONCE, SELF, UNSAFE_EVAL

from config import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = embedded.VAR  # var beside manage.py, unless the environment names VAR_DIR

env = environ.Env()
# A second terminal (`manage.py shell`, `manage.py demo`) finds the servers that `make run` started.
for _name, _url in (embedded.running_urls() or {}).items():
    env.ENVIRON.setdefault(_name, _url)

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env(
    "SECRET_KEY", default="only-for-demo-and-tests-set-SECRET_KEY-in-production-0123456789"
)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env("PUBLIC_URL", default="http://127.0.0.1:8000")  # what customer links start with
COMPANY_NAME = env("COMPANY_NAME", default="Maestro Demo Company")
COMPANY_TIME_ZONE = env("COMPANY_TIME_ZONE", default="Europe/Paris")  # a report's day belongs to it

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "import_export",
    "django_htmx",
    "axes",
    "csp",
    "config.apps.ConfigApp",
    "inventory",
    "orders",
    "routing",
    "fulfillment",
    "returns",
    "reports",
]

MIDDLEWARE = [
    "config.middleware.RequestId",
    "config.throttle.RateHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.PagePolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

# --- database -----------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://127.0.0.1:5432/maestro")}
DATABASES["default"].update(
    ENGINE="config.database",
    CONN_MAX_AGE=60,
    CONN_HEALTH_CHECKS=True,
    DISABLE_SERVER_SIDE_CURSORS=True,  # PgBouncer in transaction mode is a supported deployment
)
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=3,
    # Hot statements are planned once per connection; PgBouncer needs 1.21 for it; 0 is off.
    server_side_binding=True,
    prepare_threshold=env.int("DB_PREPARE_AFTER", 5) or None,
    options=(
        f"-c lock_timeout={env.int('DB_LOCK_TIMEOUT_MS', 3000)}"
        f" -c statement_timeout={env.int('DB_STATEMENT_TIMEOUT_MS', 20000)}"
        " -c jit=off"  # nothing here runs long enough to pay for compiling it
        f" -c idle_in_transaction_session_timeout={env.int('DB_IDLE_TIMEOUT_MS', 10000)}"
    ),
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- work ---------------------------------------------------------------------------------------
# Messages are only doorbells; reliability.md explains every value.
BROKER_URL = env("BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 2000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000  # KB
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"

# Whether addresses that people type in (webhooks of channels) may lead to this machine or network.
OUTGOING_PRIVATE_ALLOWED = env.bool("OUTGOING_PRIVATE_ALLOWED", False)

# --- mail ---------------------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="smtp://127.0.0.1:1025")
EMAIL_BACKEND = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_CONFIG["EMAIL_HOST"]
EMAIL_PORT = EMAIL_CONFIG["EMAIL_PORT"]
EMAIL_HOST_USER = EMAIL_CONFIG["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD = EMAIL_CONFIG["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="orders@maestro.example")
CAUGHT_MAIL_DIR = VAR_DIR / "mail"  # where the local catcher of `make run` puts what it caught

# --- people -------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("HTTPS", False)
SECURE_SSL_REDIRECT = env.bool("HTTPS", False)
SECURE_HSTS_SECONDS = 31_536_000 if env.bool("HTTPS", False) else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # of an API body; files of imports are streamed
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
UPLOAD_MAX_BYTES = 20 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "config.bodies.UploadLimit",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],  # Unfold and the charts set style attributes
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    },
}
# Unfold bundles the ordinary Alpine.js, which evaluates expressions: the console alone may.
CONSOLE_SCRIPT_SRC = [SELF, NONCE, UNSAFE_EVAL]

# --- words and time -----------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- static -------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static.HashedStaticFiles"
    },
}
MEDIA_ROOT = VAR_DIR / "media"
WHITENOISE_USE_FINDERS = DEBUG

# --- REST ---------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orders.keys.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["orders.keys.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["config.api.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["config.api.StrictFilters"],
    "DEFAULT_PAGINATION_CLASS": "config.api.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.problems.problem_handler",
    "PAGE_SIZE": 50,
    "NUM_PROXIES": env.int("NUM_PROXIES", 0),
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
}
# Requests are counted in a Valkey or Redis: the broker's, unless that is something else.
RATE_LIMIT_URL = env("RATE_LIMIT_URL", default=BROKER_URL if BROKER_URL.startswith("redis") else "")
API_RATE_PER_MINUTE = env.int("API_RATE_PER_MINUTE", 60_000)  # of a key without a rate of its own
API_STRANGERS_PER_MINUTE = env.int("API_STRANGERS_PER_MINUTE", 120)  # refused calls of an address
SPECTACULAR_SETTINGS = {
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.refusals",
    ],
    "TITLE": "Maestro OMS",
    "DESCRIPTION": "Channels place orders and ask what can be promised; stock points work.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ReturnState": "returns.models.Return.State",
        "ReturnReason": "returns.models.Return.Reason",
        "OrderState": "orders.models.Order.State",
        "SliceState": "orders.models.Allocation.State",
        "FulfillmentState": "fulfillment.models.FulfillmentOrder.State",
        "Delivery": "orders.models.Order.Delivery",
        "CountKind": "inventory.models.Count.Kind",
        "LocationKind": "inventory.models.Location.Kind",
        "SupplyKind": "inventory.models.Supply.Kind",
        "StockOutcome": "inventory.api.stock.OUTCOMES",
        "PaymentState": "orders.models.Payment.State",
        "PaymentEntryKind": "orders.models.PaymentEntry.Kind",
        "PaymentEntryState": "orders.models.PaymentEntry.State",
        "RefundState": "orders.models.Refund.State",
        "HoldType": "orders.models.Hold.Type",
        "HoldState": "orders.models.Hold.State",
        "WebhookDeliveryState": "orders.models.WebhookDelivery.State",
        "OrderChangeState": "orders.models.OrderChange.State",
        "DecisionOutcome": "routing.models.Decision.Outcome",
        "RunState": "routing.models.Run.State",
        "UnfillableKind": "routing.unfillable_api.KINDS",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.middleware.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        "mail.log": {"level": "WARNING"},  # the catcher names recipients at INFO
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}

UNFOLD = {
    "SITE_TITLE": "Maestro OMS",
    "SITE_HEADER": "Maestro OMS",
    "SITE_SUBHEADER": "Operations console",
    "SITE_ICON": "config.site.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.site.icon"}],
    "STYLES": ["config.site.style"],
    "COLORS": {
        "primary": {
            "50": "oklch(97.6% .016 172)",
            "100": "oklch(94.4% .036 172)",
            "200": "oklch(89.2% .068 172)",
            "300": "oklch(82% .095 172)",
            "400": "oklch(75.5% .11 172)",
            "500": "oklch(62% .1 172)",
            "600": "oklch(50.5% .09 172)",
            "700": "oklch(44% .08 172)",
            "800": "oklch(38% .068 172)",
            "900": "oklch(33% .055 172)",
            "950": "oklch(24% .045 172)",
        },
    },
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "config.site.home",
    "COMMAND": {"search_models": True},
    "SIDEBAR": {"show_search": True, "navigation": "config.site.navigation"},
}
