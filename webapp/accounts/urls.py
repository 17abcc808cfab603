"""Addresses of the account pages that are Parlo's own."""

from django.urls import path

from webapp.accounts import views

urlpatterns = [
    path("secrets/", views.secrets, name="api_secrets"),
    path("secrets/<str:prefix>/revoke/", views.revoke, name="api_secret_revoke"),
]
