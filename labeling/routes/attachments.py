"""Addresses of attached files."""

from django.urls import path

from labeling.views import attachments

urlpatterns = [
    path("work/<int:pk>/attach/", attachments.attach, name="attach"),
    path("campaigns/tasks/<int:pk>/attach/", attachments.attach_to_task, name="task_attach"),
    path("files/<uuid:pk>/", attachments.attachment, name="attachment"),
    path("files/<uuid:pk>/remove/", attachments.remove, name="attachment_remove"),
]
