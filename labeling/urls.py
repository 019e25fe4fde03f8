"""Addresses of labeling, one list per concern."""

from labeling.routes import guidelines, threads, work

app_name = "labeling"
urlpatterns = [*work.urlpatterns, *guidelines.urlpatterns, *threads.urlpatterns]
