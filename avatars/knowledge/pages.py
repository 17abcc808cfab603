"""The studio's page for the files an avatar knows from."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from avatars.forms import DocumentForm
from avatars.knowledge.decoding import MOST_LETTERS, MOST_PAGES
from avatars.knowledge.reading import enqueue
from avatars.models import Avatar, Document
from avatars.studio import editable
from webapp.limits import within_limit


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def knowledge(request: HttpRequest, code: str) -> HttpResponse:
    """List the files, and take another."""
    avatar = editable(request, code)
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        if not within_limit("document", request.user.pk or 0, most=30, in_s=600):
            form.add_error("file", "That were many files. Wait ten minutes, then go on.")
        elif _add(avatar, form):
            return redirect("studio_knowledge", avatar.code)
        else:
            form.add_error("file", f"{Document.LIMIT} files are the most. Remove one first.")
    context = {**_listed(avatar), "form": form, "most_pages": MOST_PAGES, "most_letters": f"{MOST_LETTERS:,}"}
    return render(request, "studio/knowledge.html", context, status=422 if form.errors else 200)


def _add(avatar: Avatar, form: DocumentForm) -> bool:
    """Keep a file until it is read; False where there are too many."""
    with transaction.atomic():
        # Held, so that two uploads at once are counted one after the other.
        Avatar.objects.select_for_update().get(pk=avatar.pk)
        if avatar.documents.count() >= Document.LIMIT:
            return False
        given = form.cleaned_data
        enqueue(Document.objects.create(avatar=avatar, name=given["name"], file=given["file"]))
    return True


@login_required
@require_safe
def documents(request: HttpRequest, code: str) -> HttpResponse:
    """The list alone, for a page that waits until all is read."""
    return render(request, "studio/documents.html", _listed(editable(request, code)))


@login_required
@require_POST
def delete(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """Forget a file and everything that was learnt from it."""
    avatar = editable(request, code)
    document = avatar.documents.filter(pk=number).first()
    if document is None:
        raise Http404
    document.delete()
    messages.success(request, f"{document.name} is forgotten.")
    return redirect("studio_knowledge", avatar.code)


def _listed(avatar: Avatar) -> dict[str, Any]:
    rows = list(avatar.documents.annotate(passage_count=Count("passages")))
    return {"avatar": avatar, "documents": rows, "under_way": any(row.under_way for row in rows)}
