"""REST paths of stock points' work, under api/v1/."""

from django.urls import path

from fulfillment import api, offer_api

_ONE = "fulfillment-orders/<int:pk>"

urlpatterns = [
    path("fulfillment-orders", api.WorkView.as_view()),
    path(_ONE, api.WorkDetailView.as_view()),
    path(f"{_ONE}/accept", api.AcceptView.as_view()),
    path(f"{_ONE}/refuse", api.RefuseView.as_view()),
    path(f"{_ONE}/pick", api.PickView.as_view()),
    path(f"{_ONE}/pack", api.PackView.as_view()),
    path(f"{_ONE}/ship", api.ShipView.as_view()),
    path(f"{_ONE}/ready", api.ReadyView.as_view()),
    path(f"{_ONE}/collect", api.CollectView.as_view()),
    path(f"{_ONE}/cancel-accepted", api.CancelAcceptedView.as_view()),
    path(f"{_ONE}/cancel-refused", api.CancelRefusedView.as_view()),
    path("open-offers", offer_api.OpenOffersView.as_view()),
    path("open-offers/<int:pk>/claim", offer_api.ClaimView.as_view()),
    path("parcels/<str:carrier>/<str:tracking>/events", api.ParcelEventsView.as_view()),
    path("parcels/<str:carrier>/<str:tracking>/arrived", api.ParcelArrivedView.as_view()),
    path("parcels/<str:carrier>/<str:tracking>/collected", api.ParcelCollectedView.as_view()),
]
