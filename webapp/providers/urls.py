"""Addresses of the pages of providers."""

from django.urls import path

from webapp.providers import views

urlpatterns = [
    path("settings/brain/", views.brain, name="brain"),
    path("settings/brain/models/", views.brain_models, name="brain_models"),
    path("settings/brain/nearby/", views.brain_nearby, name="brain_nearby"),
    path("settings/brain/demo/", views.brain_demo, name="brain_demo"),
    path("settings/brain/models/<str:name>/", views.brain_model, name="brain_model"),
    path("settings/providers/", views.for_everybody, name="providers"),
    path("studio/<str:code>/providers/", views.for_avatar, name="avatar_providers"),
]
