"""REST paths of inventory, under api/v1/."""

from django.urls import path

from inventory.api import counts, locations, stock, supplies, transfers

urlpatterns = [
    path("locations", locations.LocationsView.as_view()),
    path("locations/<str:code>", locations.LocationView.as_view()),
    path("stock", stock.StockView.as_view()),
    path("stock/adjustments", stock.AdjustmentsView.as_view()),
    path("stock/<str:location>/<path:sku>", stock.OneStockView.as_view()),
    path("counts", counts.CountsView.as_view()),
    path("counts/proposal", counts.CountProposalView.as_view()),
    path("counts/<int:pk>", counts.CountView.as_view()),
    path("counts/<int:pk>/lines", counts.CountLinesView.as_view()),
    path("counts/<int:pk>/sections/<str:name>/entries", counts.CountEntriesView.as_view()),
    path("counts/<int:pk>/sections/<str:name>/submit", counts.SubmitSectionView.as_view()),
    path("counts/<int:pk>/submit", counts.SubmitCountView.as_view()),
    path("counts/<int:pk>/decisions", counts.CountDecisionsView.as_view()),
    path("counts/<int:pk>/post", counts.PostCountView.as_view()),
    path("counts/<int:pk>/cancel", counts.CancelCountView.as_view()),
    path("supplies", supplies.SuppliesView.as_view()),
    path("supplies/notices", supplies.SupplyNoticesView.as_view()),
    path("supplies/receipts", supplies.SupplyReceiptsView.as_view()),
    path("transfers", transfers.TransfersView.as_view()),
    path("transfers/<str:reference>", transfers.TransferView.as_view()),
    path("transfers/<str:reference>/confirm", transfers.ConfirmTransferView.as_view()),
    path("transfers/<str:reference>/ship", transfers.ShipTransferView.as_view()),
    path("transfers/<str:reference>/receive", transfers.ReceiveTransferView.as_view()),
    path("transfers/<str:reference>/close", transfers.CloseTransferView.as_view()),
    path("transfers/<str:reference>/cancel", transfers.CancelTransferView.as_view()),
]
