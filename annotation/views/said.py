"""The reader's language for sentences that are written elsewhere, in English: refusals of services and kinds, names of
choices, keys and kinds.

Services and kinds answer the API too, which speaks English, so their sentences are turned where a page shows them.
What is listed here is what `make messages` collects of them.
"""

import re

from django.utils.translation import gettext, gettext_noop

from annotation.errors import Refused
from annotation.kinds import FieldError

SENTENCES = [
    # With a gap: found by their shape, the narrower one first.
    gettext_noop("Please answer turn %(number)s."),
    gettext_noop("Please answer %(name)s."),
    gettext_noop("Please place at least %(number)s, the best first."),
    gettext_noop("Please place %(labels)s."),
    gettext_noop("Please rate %(labels)s."),
    gettext_noop("%(name)s takes no ties."),
    gettext_noop("%(name)s asks for a choice; a tie is not possible."),
    gettext_noop("Use at most %(most)s characters; these are %(length)s."),
    gettext_noop("Use at most %(most)s marks."),
    gettext_noop("A note holds at most %(most)s characters and no NUL."),
    gettext_noop("“%(one)s” and “%(other)s” are both on %(key)s. Give one of them another letter."),
    gettext_noop("“%(name)s” takes one letter from I to Z."),
]
SHAPES = [
    (re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(sentence))), sentence)
    for sentence in SENTENCES
]

REFUSALS = [
    gettext_noop("This mark is there already."),
    gettext_noop("Remove the NUL characters and lone surrogates."),
    gettext_noop("Please pick the principles that are broken, or none."),
    gettext_noop("Either none is broken or some are; please undo one of the two."),
    gettext_noop("Please say in a sentence or more what is wrong, or why nothing is."),
    gettext_noop("Please write how the response should read."),
    gettext_noop("A principle is broken, so please change the response until it is kept."),
    gettext_noop("Please write the assistant’s next message."),
    gettext_noop("Please say what is wrong."),
    gettext_noop("You have reported this item often enough. Please write to your lead."),
    gettext_noop(
        "This submission_id came before with another answer, which is kept. To change it, use undo."
    ),
    gettext_noop("Send the submission_id that came with this lease."),
    gettext_noop("You have answered this item already; to change that, use undo."),
    gettext_noop("This batch is closed; a reviewer can still correct it."),
    gettext_noop("An answer in training is final."),
    gettext_noop("This answer was corrected already."),
    gettext_noop("This answer was taken out of the batch."),
    gettext_noop("This question or answer is not there any more. Look at the page again."),
]
NAMES = [
    # Of kinds
    gettext_noop("Pairwise"),
    gettext_noop("Ranking"),
    gettext_noop("Rating"),
    gettext_noop("Demonstration"),
    gettext_noop("Critique and revise"),
    # Why an item is not offered again, and why one was reported
    gettext_noop("Skipped"),
    gettext_noop("I lack the expertise for this"),
    gettext_noop("The prompt is unclear or broken"),
    gettext_noop("Not in a language I read well"),
    gettext_noop("A response is cut off or unreadable"),
    gettext_noop("I would rather not read this content"),
    gettext_noop("It holds private data"),
    gettext_noop("The judgment was voided"),
    gettext_noop("The answer came late"),
    gettext_noop("Harmful content"),
    gettext_noop("Someone’s private data"),
    gettext_noop("The item is broken"),
    gettext_noop("It names a model, or something else"),
]


def said(sentence: str) -> str:
    """`sentence` in the reader's language; as it is when it has no translation."""
    for shape, whole in SHAPES:
        if found := shape.fullmatch(sentence):
            return gettext(whole) % {name: gettext(part) for name, part in found.groupdict().items()}
    return gettext(sentence)


def said_refusal(refusal: Refused) -> Refused:
    """The same refusal in the reader's language."""
    errors = [FieldError(error.field, error.code, said(error.detail)) for error in refusal.errors]
    return Refused(said(refusal.detail), code=refusal.code, status=refusal.status, errors=errors)
