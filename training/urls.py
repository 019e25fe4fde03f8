"""Addresses of the training app."""

from django.urls import path

from training.views import ablations, alerts, checkpoints, curves, explore, keeping, launch, runs

app_name = "training"
urlpatterns = [
    path("", runs.index, name="runs"),
    path("new/", launch.new, name="new"),
    path("new/settings/", launch.settings_fields, name="settings"),
    path("new/preview/", launch.preview, name="preview"),
    path("compare/", curves.compare, name="compare"),
    path("series/", curves.series, name="series"),
    path("explore/", explore.explorer, name="explore"),
    path("ablations/", ablations.index, name="ablations"),
    path("ablations/new/", ablations.new, name="ablation_new"),
    path("ablations/<int:pk>/", ablations.ablation, name="ablation"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/live/", runs.live, name="live"),
    path("runs/<int:pk>/do/<slug:verb>/", runs.steer, name="steer"),
    path("runs/<int:pk>/pauses/", alerts.pauses, name="pauses"),
    path("runs/<int:pk>/retention/", keeping.policy, name="retention"),
    path("runs/<int:pk>/prune/", keeping.prune, name="prune"),
    path("alerts/", alerts.index, name="alerts"),
    path("alerts/<int:pk>/seen/", alerts.see, name="see_alert"),
    path("alerts/mailbox/", alerts.mailbox, name="alert_mailbox"),
    path("alerts/webhook/", alerts.webhook, name="alert_webhook"),
    path("alerts/channels/<int:pk>/end/", alerts.end_channel, name="end_channel"),
    path("runs/<int:pk>/samples/", checkpoints.run_samples, name="samples"),
    path("runs/<int:pk>/curves.csv", curves.table, name="curves_csv"),
    path("checkpoints/<int:run>/<int:step>/", checkpoints.checkpoint, name="checkpoint"),
    path("checkpoints/<int:run>/<int:step>/download/", checkpoints.download, name="download"),
]
