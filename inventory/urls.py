"""REST paths of inventory, under api/v1/."""

from django.urls import path

from inventory import api

urlpatterns = [path("availability", api.AvailabilityView.as_view())]
