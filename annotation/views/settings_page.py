"""Everybody's own settings: how pages look and react, and the tokens of the API."""

from typing import Any

from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.access import access_own_token, reachable_projects
from annotation.errors import Refused
from annotation.forms_console import TokenForm
from annotation.forms_settings import SettingsForm
from annotation.models import Project, User
from annotation.selectors_console import token_rows
from annotation.selectors_strata import projects_that_ask
from annotation.services.people import create_token, revoke_token, set_preferences
from annotation.views.said import said_refusal
from annotation.views.session import remember_language
from annotation.views.signed_in import SignedInRequest, signed_in


def own_projects(user: User) -> list[Project]:
    return list(reachable_projects(user).order_by("name"))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def settings(request: SignedInRequest) -> HttpResponseBase:
    """How pages look and react for this person."""
    if request.method != "POST":
        return settings_form(request, SettingsForm(user=request.user))
    if "reset_keys" in request.POST:
        set_preferences(user=request.user, keymap={})
        messages.success(request, gettext("Every command is on its own letter again."))
        return redirect("settings")
    form = SettingsForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            language = form.cleaned_data["language"] or None
            set_preferences(user=request.user, language=language, **form.preferences())
            return saved(request, language)
        except Refused as refusal:
            form.refuse(said_refusal(refusal))
    return settings_form(request, form, status=422)


def saved(request: SignedInRequest, language: str | None) -> HttpResponseBase:
    """Back to the form, in `language` if one was chosen."""
    response = redirect("settings")
    if language:
        translation.activate(language)
        remember_language(response, language)
    messages.success(request, gettext("Saved."))
    return response


def settings_form(request: SignedInRequest, form: SettingsForm, status: int = 200) -> HttpResponseBase:
    context = {"form": form, "here": "settings", "asking": projects_that_ask(request.user)}
    return render(request, "annotation/settings.html", context, status=status)


def tokens_context(user: User, form: TokenForm) -> dict[str, Any]:
    return {"form": form, "rows": token_rows(user), "now": timezone.now(), "here": "settings"}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def tokens(request: SignedInRequest) -> HttpResponseBase:
    """The person's API tokens. POST makes one."""
    if request.method == "POST":
        return token_create(request)
    form = TokenForm(projects=own_projects(request.user))
    return render(request, "annotation/settings_tokens.html", tokens_context(request.user, form))


def token_create(request: SignedInRequest) -> HttpResponseBase:
    """Make a token. It is on this answer and nowhere else: only its digest is kept."""
    form, now, token = TokenForm(request.POST, projects=own_projects(request.user)), timezone.now(), None
    if form.is_valid():
        try:
            token = create_token(
                user=request.user,
                now=now,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                projects=form.limited_to(),
                expires_at=form.expires_at(now),
            )
        except Refused as refusal:
            form.refuse(refusal)
    shown = form if token is None else TokenForm(projects=own_projects(request.user))
    context = tokens_context(request.user, shown) | {"token": token}
    return render(request, "annotation/settings_tokens.html", context, status=200 if token else 422)


@require_POST
@signed_in
def token_revoke(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """End a token at once. Doing it again changes nothing."""
    token = access_own_token(request.user, pk)
    revoke_token(token=token, actor=request.user, now=timezone.now())
    ended = gettext("“%(name)s” is revoked: what uses it is refused from now on.") % {"name": token.name}
    messages.success(request, ended)
    return redirect("tokens")
