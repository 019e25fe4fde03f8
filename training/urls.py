"""Addresses of the training app."""

from django.urls import path

from training.views import checkpoints, curves, explore, launch, runs

app_name = "training"
urlpatterns = [
    path("", runs.index, name="runs"),
    path("new/", launch.new, name="new"),
    path("new/settings/", launch.settings_fields, name="settings"),
    path("new/preview/", launch.preview, name="preview"),
    path("compare/", curves.compare, name="compare"),
    path("series/", curves.series, name="series"),
    path("explore/", explore.explorer, name="explore"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/live/", runs.live, name="live"),
    path("runs/<int:pk>/do/<slug:verb>/", runs.steer, name="steer"),
    path("runs/<int:pk>/samples/", checkpoints.run_samples, name="samples"),
    path("runs/<int:pk>/curves.csv", curves.table, name="curves_csv"),
    path("checkpoints/<int:run>/<int:step>/", checkpoints.checkpoint, name="checkpoint"),
    path("checkpoints/<int:run>/<int:step>/download/", checkpoints.download, name="download"),
]
