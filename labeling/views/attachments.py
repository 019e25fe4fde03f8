"""Attached files: sent, shown without letting them do anything, and taken away."""

from typing import Any
from urllib.parse import unquote

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import attachments
from labeling.models.annotations import Attachment
from labeling.models.tasks import Assignment, Task
from labeling.protocol.media import IMAGES, LARGEST, read_project
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import InvalidInput, TilthError
from tilth.ui.sanitise import sandboxed_response

LOCKED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'"


def _body(request: HttpRequest) -> tuple[bytes, str]:
    if int(request.headers.get("Content-Length") or 0) > LARGEST:
        raise InvalidInput(f"A file may have {LARGEST // 1_000_000} MB.", code="too_large", status=413)
    return request.read(LARGEST + 1), unquote(request.headers.get("X-File-Name", ""))


def _sent(request: HttpRequest, **owner: Any) -> JsonResponse:
    try:
        data, name = _body(request)
        made = attachments.add(Actor.of(request), data, name, **owner)
    except TilthError as error:
        return JsonResponse({"message": error.message, "code": error.code}, status=error.status)
    url = reverse("labeling:attachment", args=[made.pk])
    return JsonResponse(
        {"name": made.name, "sha256": made.sha256, "bytes": made.bytes, "url": url}, status=201
    )


@requires("labeling.work")
@require_POST
def attach(request: HttpRequest, pk: int) -> JsonResponse:
    """The request's body becomes a file of one's own work."""
    return _sent(request, assignment=get_object_or_404(Assignment, pk=pk, labeler=me(request)))


@requires("campaigns.manage")
@require_POST
def attach_to_task(request: HttpRequest, pk: int) -> JsonResponse:
    """The request's body becomes a file of a task."""
    return _sent(request, task=get_object_or_404(Task.objects.select_related("campaign"), pk=pk))


@requires("account.own")
@require_GET
def attachment(request: HttpRequest, pk: Any) -> HttpResponseBase:
    """The file: images and PDF as they are, HTML cleaned and sandboxed, text as text, projects file by file."""
    found = attachments.find(me(request), pk)
    data = attachments.read(found)
    download = "download" in request.GET
    if found.media_type == "text/html":
        return sandboxed_response(data)
    if found.media_type == "application/zip" and not download:
        return render(request, "labeling/project.html", {"attachment": found, "files": read_project(data)})
    media = "text/plain; charset=utf-8" if found.media_type == "text/plain" else found.media_type
    response = HttpResponse(data, content_type=media)
    response.headers["Content-Security-Policy"] = LOCKED
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    inline = found.media_type in (*IMAGES, "text/plain") and not download
    kind = "inline" if inline else "attachment"
    ascii_name = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "_" for c in found.name)
    response.headers["Content-Disposition"] = f'{kind}; filename="{ascii_name}"'
    return response


@requires("labeling.work")
@require_POST
def remove(request: HttpRequest, pk: Any) -> HttpResponse:
    """Take a file away."""
    found = get_object_or_404(
        Attachment.objects.select_related("assignment", "campaign"), pk=pk, removed=False
    )
    try:
        attachments.remove(Actor.of(request), found)
    except TilthError as error:
        messages.error(request, error.message)
    if found.assignment_id:
        return redirect("labeling:assignment", found.assignment_id)
    return redirect("labeling:task", found.task_id)
