"""REST paths of returns, under api/v1/."""

from django.urls import path

from returns import api

urlpatterns = [
    path("returns", api.ReturnsView.as_view()),
    path("returns/<str:reference>", api.ReturnView.as_view()),
    path("returns/<str:reference>/approve", api.ApproveView.as_view()),
    path("returns/<str:reference>/decline", api.DeclineView.as_view()),
    path("returns/<str:reference>/cancel", api.CancelView.as_view()),
    path("returns/<str:reference>/refund", api.RefundView.as_view()),
    path("returns/<str:reference>/receive", api.ReceiveView.as_view()),
    path("returns/<str:reference>/inspect", api.InspectView.as_view()),
]
