"""Signing in and out, and two wishes that pages keep: the theme and the single-key shortcuts."""

import json
from typing import Any

import structlog
from axes.helpers import get_cool_off
from django import forms
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from annotation.models import User
from annotation.services.people import set_preferences
from annotation.services.spares import release_all_spares
from annotation.views.signed_in import SignedInRequest, signed_in

log = structlog.get_logger(__name__)

THEME_SECONDS = 365 * 86_400
REPORT_BYTES_MAX = 16_384


class SignInForm(AuthenticationForm):
    """E-mail and password; one message whichever of the two is wrong."""

    error_messages = {
        "invalid_login": _("E-mail and password do not match. Check both and try again."),
        "inactive": _("E-mail and password do not match. Check both and try again."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Email")
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "class": "field", "autofocus": True}
        )
        self.fields["password"].widget = forms.PasswordInput(
            attrs={"autocomplete": "current-password", "class": "field"}
        )

    def clean_username(self) -> str:
        """In lower case, as stored, so that other spellings are no way around the limit of attempts."""
        return User.objects.normalise(self.cleaned_data["username"])


def next_page(request: HttpRequest) -> str:
    """Where to go next: `next` when it is a page of ours, else the home page."""
    url = request.POST.get("next") or request.GET.get("next") or "/"
    is_ours = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if is_ours else "/"


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def login(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST" and request.user.is_authenticated:
        return redirect(next_page(request))
    form = SignInForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        auth.login(request, form.get_user())
        response = redirect(next_page(request))
        remember_language(response, form.get_user().language)
        return response
    status = 422 if form.is_bound else 200
    return render(request, "annotation/login.html", {"form": form, "next": next_page(request)}, status=status)


def remember_language(response: HttpResponse, language: str) -> None:
    """Let the sign-in page speak it next time on this device. Whoever is signed in has it with the account."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


def locked_out(request: HttpRequest, response: HttpResponseBase, credentials: Any) -> HttpResponseBase:
    """What django-axes answers after too many wrong passwords: the same page, with how long it takes."""
    cool_off = get_cool_off(request)
    minutes = round(cool_off.total_seconds() / 60) if cool_off else None
    context = {"form": SignInForm(request), "locked_minutes": minutes, "next": next_page(request)}
    locked = render(request, "annotation/login.html", context, status=429)
    if cool_off:
        locked.headers["Retry-After"] = str(round(cool_off.total_seconds()))
    return locked


@require_POST
def logout(request: HttpRequest) -> HttpResponseBase:
    if isinstance(request.user, User):
        release_all_spares(user=request.user, now=timezone.now())
    auth.logout(request)
    return redirect("login")


def answer_wish(request: HttpRequest) -> HttpResponseBase:
    """204 for our own script, which has changed the page already; else back to the page."""
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    return redirect(next_page(request))


@require_POST
def theme(request: HttpRequest) -> HttpResponseBase:
    """Remember the theme: with the account, or in a cookie for somebody who is not signed in."""
    chosen = request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        return HttpResponse("The themes are auto, light and dark.", status=422, content_type="text/plain")
    response = answer_wish(request)
    if isinstance(request.user, User):
        set_preferences(user=request.user, theme=chosen)
    else:
        response.set_cookie(
            "theme", chosen, max_age=THEME_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
    return response


@require_POST
@signed_in
def single_keys(request: SignedInRequest) -> HttpResponseBase:
    """Switch shortcuts of one key on or off (WCAG 2.1.4); Tab, arrows and Enter always work."""
    set_preferences(user=request.user, has_single_keys="on" in request.POST)
    return answer_wish(request)


@require_POST
@signed_in
def pay_visibility(request: SignedInRequest) -> HttpResponseBase:
    """Show or hide money and working time on this person's pages."""
    set_preferences(user=request.user, hides_pay="hide" in request.POST)
    return answer_wish(request)


@require_POST
@signed_in
def mail_wish(request: SignedInRequest) -> HttpResponseBase:
    """Write to this person when there is work again, or no longer."""
    set_preferences(user=request.user, wants_mail="on" in request.POST)
    return answer_wish(request)


@csrf_exempt
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log what a browser blocked. Anybody may send anything here, so little is read and none is trusted."""
    if int(request.headers.get("Content-Length") or 0) > REPORT_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        report = json.loads(request.body[:REPORT_BYTES_MAX])
    except (ValueError, RecursionError):
        return HttpResponse(status=400)
    log.warning("csp_violation", report=report)
    return HttpResponse(status=204)
