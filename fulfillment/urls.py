"""Store pages, under store/."""

from django.urls import path

from fulfillment import count_views, parcel_views, put_back_views, transfer_views, views

app_name = "store"

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("open/<int:pk>/take/", views.take, name="take"),
    path("work/<int:pk>/", views.order, name="order"),
    path("work/<int:pk>/slip/", views.slip, name="slip"),
    path("work/<int:pk>/<str:name>/", views.press, name="press"),
    path("parcels/", parcel_views.home, name="parcels"),
    path("parcels/scan/", parcel_views.scan, name="parcel-scan"),
    path("parcels/<int:pk>/", parcel_views.parcel, name="parcel"),
    path("parcels/<int:pk>/<str:name>/", parcel_views.press, name="parcel-press"),
    path("put-back/", put_back_views.home, name="put-backs"),
    path("put-back/<int:pk>/", put_back_views.done, name="put-back"),
    path("counts/", count_views.home, name="counts"),
    path("counts/<int:pk>/", count_views.count, name="count"),
    path("counts/<int:pk>/hand-in/", count_views.hand_in, name="count-hand-in"),
    path("counts/section/<int:pk>/", count_views.section, name="section"),
    path("counts/section/<int:pk>/figures/", count_views.figures, name="section-figures"),
    path("counts/section/<int:pk>/<str:name>/", count_views.press, name="section-press"),
    path("transfers/", transfer_views.home, name="transfers"),
    path("transfers/<int:pk>/ship/", transfer_views.ship, name="transfer-ship"),
    path("transfers/<int:pk>/receive/", transfer_views.receive, name="transfer-receive"),
]
