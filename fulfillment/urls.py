"""Store pages, under store/."""

from django.urls import path

from fulfillment import views

app_name = "store"

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("work/<int:pk>/", views.order, name="order"),
    path("work/<int:pk>/<str:name>/", views.press, name="press"),
]
