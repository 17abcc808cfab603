"""The page for API secrets: make one, see it once, revoke it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts.forms import ApiSecretForm
from webapp.accounts.models import ApiSecret

SECRET_LIMIT = 20


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def secrets(request: HttpRequest) -> HttpResponse:
    """List the reader's secrets; make one and show it this one time."""
    own = ApiSecret.objects.filter(user_id=request.user.pk, revoked=False)
    form = ApiSecretForm(request.POST or None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        if own.count() >= SECRET_LIMIT:
            form.add_error(None, f"You have {SECRET_LIMIT} secrets. Revoke one that is no longer used.")
        else:
            _, secret = ApiSecret.objects.create_key(name=form.cleaned_data["name"], user_id=request.user.pk)
            form = ApiSecretForm()
    context = {"secrets": own, "form": form, "secret": secret}
    return render(request, "account/secrets.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """Revoke one of the reader's secrets; it stops working at once."""
    key = get_object_or_404(ApiSecret, prefix=prefix, user_id=request.user.pk, revoked=False)
    key.revoked = True
    key.save()
    messages.success(request, f"The secret {key.name} is revoked.")
    return redirect("api_secrets")
