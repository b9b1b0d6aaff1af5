"""Reporting an item from the judging page, and handling what was reported."""

from django import forms
from django.contrib import messages
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from annotation.access import Role, access_lease
from annotation.access_reports import access_report
from annotation.errors import Refused
from annotation.kinds import Screen
from annotation.models import Report
from annotation.selectors import screen_of
from annotation.services.reports import NOTE_MAX, handle_report, report_item
from annotation.views.said import said
from annotation.views.signed_in import SignedInRequest, signed_in


class ReportForm(forms.Form):
    """`response` is a label on the screen; empty: the whole item."""

    reason = forms.ChoiceField(
        choices=Report.Reason.choices, error_messages={"required": _("Please say what is wrong.")}
    )
    response = forms.ChoiceField(required=False)
    note = forms.CharField(required=False, max_length=NOTE_MAX)

    def __init__(self, data: QueryDict, *, screen: Screen) -> None:
        super().__init__(data)
        self.fields["response"] = forms.ChoiceField(
            required=False, choices=[(label, label) for label in screen.labels]
        )

    def clean_note(self) -> str:
        return str(self.cleaned_data["note"]).replace("\r\n", "\n")


@require_POST
@never_cache
@signed_in
def report(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Send a report. The task stays open in its own tab: without script the answer comes in a new one."""
    lease = access_lease(request.user, pk)
    screen = screen_of(lease.assignment, lease.display_order)
    form = ReportForm(request.POST, screen=screen)
    context = {"project": lease.annotator.project}
    if not form.is_valid():
        errors = [str(text) for texts in form.errors.values() for text in texts]
        return render(request, "annotation/reported.html", context | {"errors": errors}, status=422)
    try:
        report_item(
            annotator=lease.annotator,
            item=lease.assignment.item,
            completion=screen.by_label.get(form.cleaned_data["response"]),
            reason=form.cleaned_data["reason"],
            note=form.cleaned_data["note"],
            now=timezone.now(),
        )
    except Refused as refusal:
        return render(
            request, "annotation/reported.html", context | {"errors": [said(refusal.detail)]}, status=422
        )
    return render(request, "annotation/reported.html", context, status=201)


@require_POST
@signed_in
def report_handled(request: SignedInRequest, slug: str, pk: int) -> HttpResponseBase:
    """Close a report, back to the item's page."""
    found = access_report(request.user, slug, pk, Role.LEAD, Role.REVIEWER)
    handle_report(report=found, actor=request.user, now=timezone.now())
    messages.success(request, "The report is handled.")
    return redirect("item", slug=slug, number=found.item.batch.number, item_number=found.item.number)
