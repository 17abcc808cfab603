"""Addresses."""

from django.contrib import admin
from django.urls import include, path

from realtime.views import connection_check
from webapp import views

urlpatterns = [
    path("", include("webapp.providers.urls")),
    path("", include("avatars.urls")),
    path("", include("realtime.urls")),
    path("accounts/", include("webapp.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("v1/", include("webapp.api.urls")),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("check/", connection_check, name="connection_check"),
    path("trust/", views.trust, name="trust"),
    path("trust/parlo.crt", views.authority, name="authority"),
    path("favicon.ico", views.favicon, name="favicon"),
]

handler400 = "webapp.views.bad_request"
handler403 = "webapp.views.permission_denied"
handler404 = "webapp.views.page_not_found"
handler500 = "webapp.views.server_error"
