"""People and what they may do: accounts, memberships, tokens, consent."""

import json
from typing import Any

import pgtrigger
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An account that signs in with `email`. Without a password it cannot sign in with one."""
        user = self.model(email=self.normalise(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.normalise(username or ""))

    @staticmethod
    def normalise(email: str) -> str:
        """People type their address in either case; it is stored in lower case, and only so."""
        return email.strip().lower()


class User(AbstractBaseUser):
    class Theme(models.TextChoices):
        AUTO = "auto", "As my device"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Motion(models.TextChoices):
        AUTO = "auto", "As my device"
        REDUCED = "reduced", "Reduced"

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        ARABIC = "ar", "العربية"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    can_create_projects = models.BooleanField(default=False)
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.AUTO)
    has_single_keys = models.BooleanField(default=True)
    keymap = models.JSONField(default=dict, blank=True)
    """{command's letter: letter to press instead}, both of i–z; commands that are not here keep their own."""
    motion = models.CharField(max_length=7, choices=Motion, default=Motion.AUTO)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    """Of the pages for annotators; docs/how-to/add-a-language.md says how another one comes in."""
    hides_pay = models.BooleanField(default=False)
    """Whether pages leave out money and working time."""
    wants_mail = models.BooleanField(default=False, db_default=False)
    """Whether to write to them when a batch opens; asked only where the instance sends mail."""
    told_at = models.DateTimeField(null=True, editable=False)
    """When they were written to last."""
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []  # type: ignore[misc]  # a class variable in the base

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case"),
            models.CheckConstraint(condition=Q(theme__in=["auto", "light", "dark"]), name="user_theme_known"),
            models.CheckConstraint(condition=Q(motion__in=["auto", "reduced"]), name="user_motion_known"),
            models.CheckConstraint(condition=Q(language__in=["en", "ar"]), name="user_language_known"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def pressed_keys(self) -> str:
        """The keymap for the script, as JSON: {letter pressed: letter meant}, "" where it means nothing now."""
        freed = dict.fromkeys(self.keymap, "")
        return json.dumps(freed | {key: command for command, key in self.keymap.items()}, sort_keys=True)


class Membership(models.Model):
    """A person in a project in one role; in the role annotator this row *is* the annotator."""

    class Role(models.TextChoices):
        LEAD = "lead", "Lead"
        REVIEWER = "reviewer", "Reviewer"
        ANNOTATOR = "annotator", "Annotator"
        ENGINEER = "engineer", "Engineer"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=9, choices=Role)
    pseudonym = models.CharField(max_length=16)
    """What releases and reviewers see instead of the name."""
    is_active = models.BooleanField(default=True)
    is_simulated = models.BooleanField(default=False)
    is_imported = models.BooleanField(default=False, db_default=False)
    """Somebody of another project whose judgments were imported. Their account here cannot sign in."""
    languages = ArrayField(models.CharField(max_length=35), default=list, blank=True)
    """BCP 47 tags that the person reads; empty: every language."""
    skills = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    paused_at = models.DateTimeField(null=True)
    """Since when the person gets no new items; null: not paused."""
    pause_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user", "role"], name="membership_one_per_role"),
            models.UniqueConstraint(fields=["project", "pseudonym"], name="membership_pseudonym_unique"),
            models.CheckConstraint(
                condition=Q(is_imported=False) | Q(role="annotator", is_active=False),
                name="membership_imported_is_inactive",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["lead", "reviewer", "annotator", "engineer"]),
                name="membership_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pseudonym} ({self.role})"


class TrainingTry(models.Model):
    """A finished try of one person at one training batch, or a lead's word in its place (`right` is null)."""

    annotator = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="training_tries")
    batch = models.ForeignKey("annotation.Batch", on_delete=models.PROTECT, related_name="training_tries")
    number = models.PositiveSmallIntegerField()
    items = models.PositiveIntegerField()
    right = models.PositiveIntegerField(null=True)
    is_passed = models.BooleanField()
    finished_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two tabs finish the last item of a try at once: one of them ends it.
            models.UniqueConstraint(fields=["annotator", "batch", "number"], name="trainingtry_once"),
            models.CheckConstraint(
                condition=Q(right__isnull=True, is_passed=True) | Q(right__lte=F("items")),
                name="trainingtry_right_within_items",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="trainingtry_immutable", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"try {self.number} of {self.annotator_id}: {'passed' if self.is_passed else 'not passed'}"


class ApiToken(models.Model):
    """A bearer token of one person. Only its SHA-256 is kept; the token itself is shown once."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        ANNOTATE = "annotate", "Annotate"
        MANAGE = "manage", "Manage"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.BinaryField(max_length=32, unique=True)
    name = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope))
    projects = models.ManyToManyField("annotation.Project", blank=True, related_name="+")
    """Empty: every project of the person."""
    is_limited_to_projects = models.BooleanField(default=False)
    """Kept beside `projects`, so that a limited token whose last project goes away opens nothing."""
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=["read", "annotate", "manage"]), name="apitoken_scopes_known"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConsentText(models.Model):
    """What annotators agree to before they judge; immutable versions, the highest number is current."""

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="consent_texts")
    number = models.PositiveIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="consenttext_number_unique")
        ]
        triggers = [pgtrigger.Protect(name="consenttext_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"consent text {self.number}"


class Consent(models.Model):
    consent_text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="consents")
    annotator = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="consents")
    given_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consent_text", "annotator"], name="consent_once_per_text")
        ]

    def __str__(self) -> str:
        return f"{self.annotator_id} agreed to {self.consent_text_id}"


class GuideReading(models.Model):
    """This annotator has confirmed that they read this version of the guide. Immutable."""

    # No index of its own: the unique constraint begins with it.
    annotator = models.ForeignKey(
        Membership, on_delete=models.PROTECT, related_name="guide_readings", db_index=False
    )
    guideline = models.ForeignKey(
        "annotation.GuidelineVersion", on_delete=models.PROTECT, related_name="readings", db_index=False
    )
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two tabs confirm at once: one of them writes.
            models.UniqueConstraint(fields=["annotator", "guideline"], name="guidereading_once_per_version")
        ]
        triggers = [
            pgtrigger.Protect(name="guidereading_immutable", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.annotator_id} read guide {self.guideline_id}"
