"""Addresses of the dataset pages."""

from django.urls import path

from tilth.datasets.views import datasets, exports, imports, rows, versions

app_name = "datasets"
VERSION = "datasets/<str:name>/<int:number>/"

urlpatterns = [
    path("import/", imports.new, name="import"),
    path("import/<int:pk>/", imports.report, name="import-report"),
    path("import/<int:pk>/errors.<str:kind>", imports.report_file, name="import-errors"),
    path("uploads/", imports.upload, name="upload"),
    path("datasets/", datasets.index, name="list"),
    # Before the datasets themselves: the words in actions.RESERVED are no dataset names.
    path("datasets/import/", imports.elsewhere, name="import-elsewhere"),
    path("datasets/<str:name>/", datasets.detail, name="detail"),
    path("datasets/<str:name>/edit/", datasets.edit, name="edit"),
    path("datasets/<str:name>/archive/", datasets.archive, name="archive"),
    path(VERSION, versions.overview, name="version"),
    path(f"{VERSION}statistics/", versions.statistics, name="statistics"),
    path(f"{VERSION}card/", versions.card, name="card"),
    path(f"{VERSION}lineage/", versions.lineage, name="lineage"),
    path(f"{VERSION}manifest.json", versions.manifest_file, name="manifest"),
    path(f"{VERSION}files/<path:path>", versions.download_file, name="file"),
    path(f"{VERSION}rows/", rows.browse, name="rows"),
    path(f"{VERSION}rows/at/<int:at>/", rows.row_at, name="row-at"),
    path(f"{VERSION}rows/<str:row_id>/", rows.row, name="row"),
    path(f"{VERSION}exports/", exports.index, name="exports"),
    path(f"{VERSION}exports/table/", exports.table, name="exports-table"),
    path(f"{VERSION}exports/start/", exports.start, name="export"),
    path("exports/<int:pk>/download/", exports.download, name="download"),
    path("exports/<int:pk>/delete/", exports.delete, name="delete-export"),
]
