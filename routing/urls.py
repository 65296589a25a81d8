"""REST paths of routing, under api/v1/."""

from django.urls import path

from routing import api, promise_api

urlpatterns = [
    path("promises", promise_api.PromisesView.as_view()),
    path("orders/<str:reference>/decisions", api.DecisionsView.as_view()),
    path("orders/<str:reference>/decisions/<int:pk>", api.DecisionView.as_view()),
    path("orders/<str:reference>/decisions/<int:pk>/check", api.DecisionCheckView.as_view()),
    path("orders/<str:reference>/trial", api.OrderTrialView.as_view()),
]
