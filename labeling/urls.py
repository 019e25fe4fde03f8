"""Addresses of labeling, one list per concern."""

from labeling.routes import attachments, campaigns, exams, guidelines, quality, review, tasks, threads, work

app_name = "labeling"
urlpatterns = [
    *work.urlpatterns,
    *guidelines.urlpatterns,
    *campaigns.urlpatterns,
    *tasks.urlpatterns,
    *review.urlpatterns,
    *threads.urlpatterns,
    *exams.urlpatterns,
    *quality.urlpatterns,
    *attachments.urlpatterns,
]
