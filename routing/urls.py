"""REST paths of routing, under api/v1/."""

from django.urls import path

from routing import api, promise_api, run_api, unfillable_api

urlpatterns = [
    path("promises", promise_api.PromisesView.as_view()),
    path("orders/<str:reference>/decisions", api.DecisionsView.as_view()),
    path("orders/<str:reference>/decisions/<int:pk>", api.DecisionView.as_view()),
    path("orders/<str:reference>/decisions/<int:pk>/check", api.DecisionCheckView.as_view()),
    path("orders/<str:reference>/trial", api.OrderTrialView.as_view()),
    path("runs", run_api.RunsView.as_view()),
    path("runs/<int:pk>", run_api.RunView.as_view()),
    path("runs/<int:pk>/stop", run_api.RunStopView.as_view()),
    path("runs/<int:pk>/resume", run_api.RunResumeView.as_view()),
    path("unfillable", unfillable_api.UnfillableView.as_view()),
    path("unfillable/<int:pk>", unfillable_api.OneUnfillableView.as_view()),
]
