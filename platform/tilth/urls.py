"""Every URL of Tilth, one include per app."""

from django.urls import URLPattern, URLResolver, include, path

from tilth.api import api

urlpatterns: list[URLPattern | URLResolver] = [
    # First, because every pause in typing asks for one of these.
    path("labeling/", include("labeling.urls")),
    path("", include("tilth.loop.urls")),
    path("", include("tilth.accounts.entry_urls")),
    path("", include("tilth.accounts.urls")),
    path("", include("tilth.datasets.urls")),
    path("ui/", include("tilth.ui.urls")),
    path("", include("tilth.jobs.urls")),
    path("curation/", include("curation.urls")),
    path("models/", include("training.urls")),
    path("api/v1/", api.urls),
]

handler400 = "tilth.ui.errors.bad_request"
handler403 = "tilth.ui.errors.permission_denied"
handler404 = "tilth.ui.errors.page_not_found"
handler500 = "tilth.ui.errors.server_error"
