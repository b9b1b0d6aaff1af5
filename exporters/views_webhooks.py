"""The page of a project's webhooks, for its leads: what is told where, what became of it, and sending it again."""

from django import forms
from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.access import Role, access_project
from annotation.egress import URL_MAX
from annotation.errors import Refused
from annotation.forms_console import ConsoleForm
from annotation.models import Project
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in
from exporters.access import access_delivery, access_webhook
from exporters.selectors import last_deliveries, webhooks_of
from exporters.services.webhooks import EVENTS, add_webhook, remove_webhook, send_again

EVENT_WORDS = {
    "release.frozen": "A release is frozen",
    "release.failed": "A release failed",
    "release.erased": "Files of a release were erased",
    "job.succeeded": "A job succeeded",
    "job.failed": "A job failed",
    "job.cancelled": "A job was cancelled",
}


class WebhookForm(ConsoleForm):
    url = forms.CharField(
        label="Address",
        max_length=URL_MAX,
        widget=forms.URLInput(attrs={"class": "field", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Starts with https:// and is reachable from outside: private networks are not sent to.",
    )
    events = forms.MultipleChoiceField(
        label="Tell it when",
        choices=[(event, EVENT_WORDS[event]) for event in EVENTS],
        initial=["release.frozen", "release.failed"],
        widget=forms.CheckboxSelectMultiple,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def webhooks(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The webhooks and their last deliveries. A POST adds one, and its answer is the only place with the secret."""
    project = access_project(request.user, slug, Role.LEAD)
    if request.method != "POST":
        return webhooks_page(request, project, WebhookForm())
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            _, secret = add_webhook(
                project=project, actor=request.user, now=timezone.now(), **form.cleaned_data
            )
            return webhooks_page(request, project, WebhookForm(), secret=secret)
        except Refused as refusal:
            form.refuse(refusal)
    return webhooks_page(request, project, form, status=422)


def webhooks_page(
    request: SignedInRequest, project: Project, form: WebhookForm, *, secret: str = "", status: int = 200
) -> HttpResponseBase:
    context = console_context(request, project, "webhooks") | {
        "form": form,
        "secret": secret,
        "webhooks": webhooks_of(project),
        "deliveries": last_deliveries(project),
    }
    return render(request, "exporters/webhooks.html", context, status=status)


@require_POST
@signed_in
def webhook_remove(request: SignedInRequest, slug: str, pk: int) -> HttpResponseBase:
    webhook = access_webhook(request.user, slug, pk)
    remove_webhook(webhook=webhook, actor=request.user, now=timezone.now())
    messages.success(request, "Removed. Nothing is sent there any more.")
    return redirect("webhooks", slug=slug)


@require_POST
@signed_in
def delivery_again(request: SignedInRequest, slug: str, pk: int) -> HttpResponseBase:
    delivery = access_delivery(request.user, slug, pk)
    try:
        send_again(delivery=delivery, actor=request.user, now=timezone.now())
        messages.success(request, "It is sent again.")
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return redirect("webhooks", slug=slug)
