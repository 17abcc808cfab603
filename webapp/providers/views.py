"""Pages of providers: the brain of the installation, what all avatars use, what one avatar uses of its own."""

import os
import shutil
from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from avatars.models import Avatar
from avatars.studio import editable
from realtime.brain import brain_ready, brain_url
from webapp.limits import within_limit
from webapp.providers import downloading
from webapp.providers.addresses import origin
from webapp.providers.catalogue import CATALOGUE, BrainModel
from webapp.providers.chosen import for_all
from webapp.providers.downloads import bytes_there, forget
from webapp.providers.endpoint import PARTS, Choice, Endpoint
from webapp.providers.forms import ProviderForm, whisper_base_installed
from webapp.providers.models import Download, Provider
from webapp.providers.nearby import Nearby, find_nearby
from webapp.providers.refusals import refuses_tools
from webapp.providers.sealing import SealBroken
from webapp.providers.trial import Verdict, try_out

Kind = Provider.Kind
View = Callable[..., HttpResponse]


def for_admins(view: View) -> View:
    """Let staff in, and tell everybody else whose page it is."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied("This page is for those who run this Parlo.")
        return view(request, *args, **kwargs)

    return guarded


# The brain


@for_admins
@require_safe
def brain(request: HttpRequest) -> HttpResponse:
    """Show who thinks, what else runs on this machine, and what can be fetched."""
    state = _brain_state()
    here = not (state["choice"].thinking or settings.LLM_URL)
    context = {
        **state,
        "nearby": async_to_sync(find_nearby)(),
        "tools_refused": refuses_tools(state["choice"]),
        "silent": here and not brain_ready(brain_url(settings.BRAIN_PORT)),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
    }
    return render(request, "settings/brain.html", context)


@for_admins
@require_safe
def brain_models(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes while a model is fetched."""
    return render(request, "settings/brain_models.html", _brain_state())


@for_admins
@require_POST
def brain_nearby(request: HttpRequest) -> HttpResponse:
    """Use a server that runs on this machine."""
    url, model = request.POST.get("url", ""), request.POST.get("model", "")
    # Asked again: what is chosen must be one of those that were found, and still there.
    found: list[Nearby] = async_to_sync(find_nearby)()
    server = next((server for server in found if server.url == url and model in server.models), None)
    if server is None:
        messages.error(request, "This server does not answer any more, or has lost that model.")
    elif _may_choose(request):
        _choose_brain(url=url, model=model)
        messages.success(request, f"From the next conversation on, {model} on {server.program} thinks.")
    return redirect("brain")


@for_admins
@require_POST
def brain_model(request: HttpRequest, name: str) -> HttpResponse:
    """Fetch a model, stop fetching it, use it or remove it."""
    model = CATALOGUE.get(name)
    act = request.POST.get("act", "")
    if model is None:
        messages.error(request, "This model is not offered.")
    elif act == "fetch":
        downloading.ask_for(model)
    elif act == "stop":
        downloading.stop(model)
    elif act == "remove" and for_all().brain != name:
        downloading.stop(model)
        forget(model)
        Download.objects.filter(name=name).delete()
        messages.success(request, f"{model.label} was removed from this machine.")
    elif act == "use" and not model.file.exists():
        messages.error(request, f"{model.label} is not on this machine yet.")
    elif act == "use" and _may_choose(request):
        _choose_brain(model=name)
        messages.success(request, f"{model.label} is being loaded. The next answers are its.")
    return redirect("brain")


@for_admins
@require_POST
def brain_demo(request: HttpRequest) -> HttpResponse:
    """Go back to the brain that comes with Parlo."""
    if _may_choose(request):
        Provider.objects.filter(avatar=None, kind=Kind.LLM).delete()
        messages.success(request, "The demo brain thinks again.")
    return redirect("brain")


def _may_choose(request: HttpRequest) -> bool:
    """Tell whether a choice here would count; the settings come before it."""
    name = _set_by_environment()
    if name:
        messages.error(request, f"{name} is set in the environment or in .env, and wins. Remove it there first.")
    return not name


def _set_by_environment() -> str:
    return next((name for name in ("LLM_URL", "LLM_GGUF_PATH") if getattr(settings, name)), "")


def _choose_brain(*, url: str = "", model: str) -> None:
    Provider.objects.update_or_create(
        avatar=None, kind=Kind.LLM, defaults={"url": url, "model": model, "sealed_key": ""}
    )


def _brain_state() -> dict[str, Any]:
    choice = for_all()
    downloads = {download.name: download for download in Download.objects.all()}
    rows = [_model_row(model, downloads.get(name), choice.brain == name) for name, model in CATALOGUE.items()]
    folder = next(iter(CATALOGUE.values())).file.parent
    while not folder.exists():
        folder = folder.parent
    return {
        "choice": choice,
        "brain_model": CATALOGUE.get(choice.brain),
        "environment": _set_by_environment(),
        "models": rows,
        "busy": any(row["under_way"] for row in rows),
        "free_gb": shutil.disk_usage(folder).free / 1e9,
        "hub": settings.MODEL_HUB,
    }


def _model_row(model: BrainModel, download: Download | None, used: bool) -> dict[str, Any]:
    ready = model.file.exists()
    state = Download.State.READY if ready else download.state if download else ""
    if state == Download.State.READY and not ready:
        # The file was removed by hand.
        state = ""
    done = download.bytes_done if download else bytes_there(model)
    return {
        "model": model,
        "state": state,
        "ready": ready,
        "used": used,
        "under_way": state in Download.UNDER_WAY,
        "checking": state == Download.State.CHECKING,
        "message": download.message if download and state in {"failed", "stopped"} else "",
        "percent": min(100, round(100 * done / model.size_bytes)),
        "done_gb": done / 1e9,
        "size_gb": model.size_bytes / 1e9,
        "memory_gb": model.memory_bytes / 1e9,
    }


# Providers for all, and for one avatar


@sensitive_post_parameters()
@for_admins
@require_http_methods(["GET", "HEAD", "POST"])
def for_everybody(request: HttpRequest) -> HttpResponse:
    """Choose what all avatars use."""
    return _providers(request, None)


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def for_avatar(request: HttpRequest, code: str) -> HttpResponse:
    """Choose what one avatar uses of its own."""
    avatar = editable(request, code)
    if settings.CREATOR_PROVIDERS == "off":
        raise PermissionDenied("Whoever runs this Parlo lets no avatar have providers of its own.")
    return _providers(request, avatar)


@sensitive_variables()
def _providers(request: HttpRequest, avatar: Avatar | None) -> HttpResponse:
    stored = {row.kind: row for row in Provider.objects.filter(avatar=avatar)}

    def form_for(kind: Kind, data: Any = None) -> ProviderForm:
        return ProviderForm(data, instance=stored.get(kind) or Provider(avatar=avatar, kind=kind))

    forms = {kind: form_for(kind) for kind in Kind}
    verdict: Verdict | None = None
    asked = request.POST.get("kind", "")
    if request.method == "POST" and asked in forms:
        kind = Kind(asked)
        form = forms[kind] = form_for(kind, request.POST)
        if request.POST.get("act") == "test":
            verdict = _verdict(request, form)
            if not request.accepts("text/html"):
                return JsonResponse({"ok": verdict.ok, "message": verdict.message})
        elif form.is_valid():
            _store(form)
            messages.success(request, f"{kind.label}: saved. It holds from the next conversation on.")
            return redirect(request.path)
    choice = for_all()
    context = {
        "avatar": avatar,
        "sections": [
            {
                "kind": kind,
                "form": form,
                "verdict": verdict if kind == asked else None,
                "environment": f"{kind.upper()}_URL" if getattr(settings, f"{kind.upper()}_URL") else "",
                "now": _now(choice, kind, stored.get(kind), avatar),
                "open": kind == asked,
            }
            for kind, form in forms.items()
        ],
        "whisper_base": whisper_base_installed(),
        "public_only": avatar is not None and settings.CREATOR_PROVIDERS != "any",
    }
    failed = any(form.is_bound and form.errors for form in forms.values())
    return render(request, "settings/providers.html", context, status=422 if failed else 200)


def _now(choice: Choice, kind: Kind, row: Provider | None, avatar: Avatar | None) -> str:
    """What is used at present, in a few words."""
    if avatar is not None:
        return f"{row.model} at {origin(row.url)[1]}" if row and row.url else "As for all avatars"
    endpoint: Endpoint | None = getattr(choice, PARTS[kind])
    if endpoint:
        return f"{endpoint.model} at {origin(endpoint.url)[1]}"
    if kind == Kind.STT:
        return "Whisper base, on this machine" if choice.whisper == "base" else "Whisper tiny, on this machine"
    if kind == Kind.LLM:
        model = CATALOGUE.get(choice.brain)
        return f"{model.label}, on this machine" if model else "The brain on this machine"
    return "Not used" if kind == Kind.REALTIME else "The voices on this machine"


def _store(form: ProviderForm) -> None:
    if not form.is_nothing:
        form.save()
    elif form.instance.pk:
        form.instance.delete()


def _verdict(request: HttpRequest, form: ProviderForm) -> Verdict:
    """Try out what was entered, whether or not it is saved."""
    if not within_limit("provider-test", request.user.pk or 0, most=12, in_s=60):
        return Verdict(False, "That was often. Wait a minute before the next test.")
    if not form.is_valid():
        return Verdict(False, " ".join(str(error) for errors in form.errors.values() for error in errors))
    if not form.instance.url:
        return Verdict(False, "There is no address to try. What runs on this machine is looked at by manage.py doctor.")
    try:
        endpoint = form.endpoint()
    except SealBroken as error:
        return Verdict(False, str(error))
    verdict: Verdict = async_to_sync(try_out)(form.kind, endpoint)
    return verdict
