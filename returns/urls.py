"""Customer pages, under track/."""

from django.urls import path

from returns import views

app_name = "track"

urlpatterns = [
    path("<str:token>/", views.order_page, name="order"),
    path("<str:token>/cancel/", views.cancel_order_page, name="cancel_order"),
    path("<str:token>/return/", views.return_page, name="return"),
    path("<str:token>/returns/<int:pk>/cancel/", views.cancel_page, name="cancel"),
]
