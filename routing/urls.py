"""REST paths of routing, under api/v1/."""

from django.urls import path

from routing import api

urlpatterns = [
    path("orders/<str:reference>/decisions", api.DecisionsView.as_view()),
    path("orders/<str:reference>/decisions/<int:pk>", api.DecisionView.as_view()),
]
