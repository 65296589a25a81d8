"""Every door of the house."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from config import health
from inventory import console_pages
from reports import emission_views
from reports import views as reports
from routing.admin import trials

api: list[URLPattern | URLResolver] = [
    path("", include("orders.urls")),
    path("", include("inventory.urls")),
    path("", include("routing.urls")),
    path("", include("fulfillment.api_urls")),
    path("", include("returns.api_urls")),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="openapi"), name="api-docs"),
]

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/managers/", reports.managers, name="managers"),
    path("admin/managers/sales.csv", reports.sales_csv, name="managers-csv"),
    path("admin/trial/", trials.ask, name="trial"),
    path("admin/trial/<int:job>/", trials.result, name="trial-result"),
    path("admin/co2/", emission_views.co2, name="co2"),
    path("admin/co2/parcels.csv", emission_views.parcels_csv, name="co2-csv"),
    path("admin/stock/matrix/", console_pages.matrix, name="stock-matrix"),
    path("admin/stock/matrix.csv", console_pages.matrix_csv, name="stock-matrix-csv"),
    path("admin/stock/cover/", console_pages.cover, name="stock-cover"),
    path("admin/stock/cause/<str:kind>/<int:pk>/", console_pages.cause, name="stock-cause"),
    path("admin/invariants/", reports.invariants, name="invariants"),
    path("admin/mailbox/", include("orders.mailbox")),
    path("admin/availability/", include("orders.stock_pages")),
    path("admin/promises/", include("routing.admin.promises")),
    path("admin/", admin.site.urls),
    path("store/", include("fulfillment.urls")),
    path("track/", include("returns.urls")),
    path("api/v1/", include(api)),
]

# Under api/ they answer in application/problem+json, elsewhere with Django's pages.
handler400 = "config.problems.bad_request"
handler403 = "config.problems.forbidden"
handler404 = "config.problems.not_found"
handler500 = "config.problems.server_error"
