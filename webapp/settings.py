"""Every setting of Parlo, read from the environment (and `.env`) in this one place.

`.env.example` describes each variable. Wrong values are reported in words by `webapp.checks` and `manage.py doctor`.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from webapp.ice import parse_ice_servers
from webapp.logs import logging_settings
from webapp.secret import installation_secret
from webapp.socket_path import valkey_socket

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules

env = environ.Env()
if not TESTING:
    environ.Env.read_env(BASE_DIR / ".env")


def _number(name: str, default: int) -> int:
    """Read a whole number; an empty variable is one that is not set."""
    text = env.str(name, "").strip()
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, and is {text!r}.") from error


# Where everything that must survive is kept: database, uploads, avatars, the secret key.
# Tests get a new one each run, and so never touch what the checkout they run in holds.
_default_data_dir = tempfile.mkdtemp(prefix="parlo-tests-") if TESTING else str(BASE_DIR / "var")
if TESTING:
    atexit.register(shutil.rmtree, _default_data_dir, ignore_errors=True)
PARLO_DATA_DIR = Path(env.str("PARLO_DATA_DIR", "") or _default_data_dir).expanduser().resolve()
PARLO_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or installation_secret(PARLO_DATA_DIR)
# Older secret keys: what they signed or sealed can still be read, and nothing new is signed with them.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BIND = env.str("BIND", "127.0.0.1")
PORT = _number("PORT", 8000)
# Set where a proxy ends TLS before Parlo: cookies become secure and the proxy's forwarding headers are believed.
BEHIND_TLS_PROXY = env.bool("BEHIND_TLS_PROXY", False)

# Where there is no such proxy, the web process itself speaks https with this certificate.
TLS_CERTIFICATE = env.str("TLS_CERTIFICATE", "")
TLS_KEY = env.str("TLS_KEY", "")

# Applications

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "channels",
    "csp",
    "django_htmx",
    "django_prometheus",
    "django_tasks",
    "django_tasks_db",
    "drf_spectacular",
    "rest_framework",
    "rest_framework_api_key",
    "webapp",
    "webapp.accounts",
    "webapp.usage",
    "webapp.providers",
    "webapp.api",
    "avatars",
    "realtime",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "webapp.security.SecurityHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "webapp.security.AdminContentPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
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
            ]
        },
    }
]

# Database, cache, channel layer, tasks

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(env.str("DATABASE_URL", "") or f"sqlite:///{PARLO_DATA_DIR / 'parlo.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes write: a write-ahead log lets them read meanwhile, and a writer waits for its turn.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

VALKEY_SOCKET = valkey_socket(PARLO_DATA_DIR)
REDIS_URL = env.str("REDIS_URL", "")
VALKEY_EMBEDDED = not REDIS_URL
VALKEY_URL = REDIS_URL or f"unix://{VALKEY_SOCKET}"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": "parlo",
        "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 3},
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Longer than the 5 s for which the layer lets the server keep a question open.
        "CONFIG": {
            "hosts": [{"address": VALKEY_URL, "socket_timeout": 15, "socket_connect_timeout": 3}],
            "prefix": "parlo",
            "capacity": 1000,
            "expiry": 20,
        },
    }
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}

# Files. Uploads and avatars have no public address: views hand them out after a permission check.

MEDIA_ROOT = PARLO_DATA_DIR / "media"
MEDIA_URL = ""
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024
VIDEO_LIMIT_BYTES = 100 * 1024 * 1024
DOCUMENT_LIMIT_BYTES = 10 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

STATIC_URL = "/static/"
STATIC_ROOT = PARLO_DATA_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVE_SOURCES = DEBUG or TESTING
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if SERVE_SOURCES
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = SERVE_SOURCES
WHITENOISE_AUTOREFRESH = SERVE_SOURCES
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Accounts

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "studio"
LOGOUT_REDIRECT_URL = "gallery"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", "optional")
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Parlo] "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_ADAPTER = "webapp.accounts.adapter.AccountAdapter"
ACCOUNT_SIGNUP_OPEN = env.bool("ACCOUNT_SIGNUP_OPEN", True)
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_TLS_PROXY else 0

_email = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email.get("EMAIL_HOST") or ""
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_email.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_email.get("EMAIL_USE_SSL"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "parlo@localhost")

# Security

SESSION_COOKIE_NAME = "parlo_session"
CSRF_COOKIE_NAME = "parlo_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS_PROXY or bool(TLS_CERTIFICATE)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "webapp.views.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = _number("SECURE_HSTS_SECONDS", 3600)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "media-src": ["'self'", "blob:", "mediastream:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["webapp.api.authentication.ApiSecretAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "120/min", "user": "600/min"},
    "NUM_PROXIES": 1 if BEHIND_TLS_PROXY else 0,
    "EXCEPTION_HANDLER": "webapp.api.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Parlo",
    "DESCRIPTION": "Talking avatars, on your own machine.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

UNFOLD = {"SITE_TITLE": "Parlo", "SITE_HEADER": "Parlo", "SITE_URL": "/", "SITE_SYMBOL": "face"}

# Conversation

# STUN and TURN: what browsers are told, and the media worker where MEDIA_ICE_POLICY lets it use them.
TURN_SECRET = env.str("TURN_SECRET", "")
TURN_CREDENTIAL_S = _number("TURN_CREDENTIAL_S", 3600)
try:
    ICE_SERVERS = parse_ice_servers(env.str("ICE_SERVERS", ""), shared_secret=bool(TURN_SECRET))
    ICE_SERVERS_ERROR = ""
except ValueError as error:
    # Reported by webapp.checks, which keeps `manage.py run` from starting.
    ICE_SERVERS, ICE_SERVERS_ERROR = [], str(error)
# Offer 127.0.0.1 to browsers even where there is a network; only for browsers on this machine.
ICE_LOOPBACK = env.bool("ICE_LOOPBACK", False)
ICE_POLICY = env.str("ICE_POLICY", "") or "all"
MEDIA_ICE_POLICY = env.str("MEDIA_ICE_POLICY", "") or "direct"
MEDIA_ADDRESSES = env.list("MEDIA_ADDRESSES", default=[])
MEDIA_PORTS = env.str("MEDIA_PORTS", "")
# A Janus that serves those who only watch a room.
JANUS_URL = env.str("JANUS_URL", "")
JANUS_API_SECRET = env.str("JANUS_API_SECRET", "")
JANUS_ADMIN_KEY = env.str("JANUS_ADMIN_KEY", "")
JANUS_RTP_HOST = env.str("JANUS_RTP_HOST", "")
JANUS_MOST_VIEWERS = _number("JANUS_MOST_VIEWERS", 50)
BRAIN_PORT = _number("BRAIN_PORT", 8091)
LLM_URL = env.str("LLM_URL", "")
LLM_MODEL = env.str("LLM_MODEL", "")
LLM_API_KEY = env.str("LLM_API_KEY", "")
MODEL_HUB = env.str("MODEL_HUB", "") or "https://huggingface.co"
LLM_GGUF_PATH = env.str("LLM_GGUF_PATH", "")
STT_URL = env.str("STT_URL", "")
STT_MODEL = env.str("STT_MODEL", "")
STT_API_KEY = env.str("STT_API_KEY", "")
STT_LANGUAGE = env.str("STT_LANGUAGE", "")
WHISPER_MODEL = env.str("WHISPER_MODEL", "")
WHISPER_MODEL_DIR = env.str("WHISPER_MODEL_DIR", "")
TTS_URL = env.str("TTS_URL", "")
TTS_MODEL = env.str("TTS_MODEL", "")
TTS_API_KEY = env.str("TTS_API_KEY", "")
TTS_RATE_HZ = _number("TTS_RATE_HZ", 24000)
TTS_VOICE = env.str("TTS_VOICE", "")
REALTIME_URL = env.str("REALTIME_URL", "")
REALTIME_MODEL = env.str("REALTIME_MODEL", "")
REALTIME_API_KEY = env.str("REALTIME_API_KEY", "")
REALTIME_VOICE = env.str("REALTIME_VOICE", "")
# What addresses creators may give their avatars: off, public (https, no address inside this network), or any.
CREATOR_PROVIDERS = env.str("CREATOR_PROVIDERS", "") or "public"
SMART_TURN_MODEL = env.str("SMART_TURN_MODEL", "")
# One for each core, as long as nobody says how much memory they may take: about 600 MB each.
MEDIA_WORKERS = _number("MEDIA_WORKERS", min(4, os.cpu_count() or 1))
MEDIA_WORKER_CAPACITY = _number("MEDIA_WORKER_CAPACITY", 3)

# The rest

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_settings(level=env.str("LOG_LEVEL", "INFO"), as_json=env.bool("LOG_JSON", False))
