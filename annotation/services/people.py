"""Accounts, memberships, consent and tokens."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.importers.languages import normalise_language
from annotation.models import ApiToken, Consent, ConsentText, Membership, Project, User

TOKEN_PREFIX = "ccd_"
SKILL_LENGTH = 40
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}\.[^@\s.]{1,60}")


def create_user(
    *, email: str, now: datetime, name: str = "", can_create_projects: bool = False
) -> tuple[User, str]:
    """A new account and its random password (shown once). Raises Refused when the address is taken."""
    if not EMAIL.fullmatch(email.strip()):
        raise Refused("This is not an e-mail address.", field="email")
    if User.objects.filter(email=User.objects.normalise(email)).exists():
        raise Refused("There is an account with this address already.", code="taken", field="email")
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        user = User.objects.create_user(email, password, name=name, can_create_projects=can_create_projects)
        record_audit(project=None, actor=None, action="user.created", obj=user, now=now)
    return user, password


def reset_password(*, user: User, now: datetime) -> str:
    """A new random password in place of the old one (shown once)."""
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        record_audit(project=None, actor=None, action="user.password_reset", obj=user, now=now)
    return password


def new_pseudonym() -> str:
    """What stands for a member in everything that leaves the project."""
    return "p" + secrets.token_hex(6)


def add_member(
    *, project: Project, actor: User, email: str, role: str, now: datetime, is_simulated: bool = False
) -> tuple[Membership, str | None]:
    """Give a person a role; makes the account when there is none and returns its one-time password.

    Raises Refused for an unknown role or a role that the person has already.
    """
    if role not in Membership.Role.values:
        raise Refused(f"The roles are {', '.join(Membership.Role.values)}.", field="role")
    with transaction.atomic():
        user = User.objects.filter(email=User.objects.normalise(email)).first()
        password = None
        if user is None:
            user, password = create_user(email=email, now=now)
        membership, is_new = Membership.objects.get_or_create(
            project=project,
            user=user,
            role=role,
            defaults={
                "pseudonym": new_pseudonym(),
                "is_simulated": is_simulated,
                "created_at": now,
            },
        )
        if not is_new:
            raise Refused(f"{user.email} is {role} here already.", code="taken", field="email")
        record_audit(
            project=project,
            actor=actor,
            action="membership.created",
            obj=membership,
            now=now,
            data={"role": role},
        )
    return membership, password


def describe_annotator(
    *, annotator: Membership, languages: Sequence[str], skills: Sequence[str], actor: User, now: datetime
) -> None:
    """What a person reads and knows; it decides which items they are offered. No language: every one.

    Raises Refused for a language that is no BCP 47 tag and for a skill that is too long.
    """
    tags = []
    for language in languages:
        tag = normalise_language(language)
        if tag is None:
            raise Refused(f"{language!r} is no language tag such as en or pt-BR.", field="languages")
        tags.append(tag)
    names = sorted({skill.strip() for skill in skills if skill.strip()})
    if any(len(name) > SKILL_LENGTH or not name.isprintable() for name in names):
        raise Refused(f"A skill has at most {SKILL_LENGTH} printable characters.", field="skills")
    with transaction.atomic():
        annotator.languages, annotator.skills = sorted(set(tags)), names
        annotator.save(update_fields=["languages", "skills"])
        record_audit(
            project=annotator.project,
            actor=actor,
            action="membership.described",
            obj=annotator,
            now=now,
            data={"languages": annotator.languages, "skills": names},
        )


def pause_annotator(*, annotator: Membership, reason: str, actor: User, now: datetime) -> None:
    """From now on this person gets no new items. What they hold, they may still answer."""
    with transaction.atomic():
        paused = Membership.objects.filter(pk=annotator.pk, paused_at__isnull=True).update(
            paused_at=now, pause_reason=reason[:200]
        )
        if paused:
            record_audit(
                project=annotator.project, actor=actor, action="membership.paused", obj=annotator, now=now
            )


def resume_annotator(*, annotator: Membership, actor: User, now: datetime) -> None:
    with transaction.atomic():
        if Membership.objects.filter(pk=annotator.pk, paused_at__isnull=False).update(
            paused_at=None, pause_reason=""
        ):
            record_audit(
                project=annotator.project, actor=actor, action="membership.resumed", obj=annotator, now=now
            )


def give_consent(*, annotator: Membership, now: datetime) -> Consent | None:
    """Agree to the project's current consent text; None when the project has none."""
    text = current_consent_text(annotator.project)
    if text is None:
        return None
    with transaction.atomic():
        consent, is_new = Consent.objects.get_or_create(
            consent_text=text, annotator=annotator, defaults={"given_at": now}
        )
        if is_new:
            record_audit(
                project=annotator.project,
                actor=annotator.user,
                action="consent.given",
                obj=consent,
                now=now,
                data={"text": text.number},
            )
    return consent


def current_consent_text(project: Project) -> ConsentText | None:
    return project.consent_texts.order_by("-number").first()


def create_token(
    *,
    user: User,
    now: datetime,
    name: str,
    scopes: Iterable[str] = ("read", "annotate", "manage"),
    projects: Iterable[Project] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new API token (`ccd_` + 256 random bits), to be shown once; only its SHA-256 is stored."""
    scopes = sorted(set(scopes))
    if not scopes or not set(scopes) <= set(ApiToken.Scope.values):
        raise Refused(
            f"The scopes are {', '.join(ApiToken.Scope.values)}; choose one or more.", field="scopes"
        )
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiToken.objects.create(
            user=user,
            digest=token_digest(token),
            name=name,
            scopes=scopes,
            is_limited_to_projects=projects is not None,
            created_at=now,
            expires_at=expires_at,
        )
        row.projects.set(projects or [])
        record_audit(
            project=None, actor=user, action="token.created", obj=row, now=now, data={"scopes": scopes}
        )
    return token


def revoke_token(*, token: ApiToken, actor: User, now: datetime) -> None:
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
            record_audit(project=None, actor=actor, action="token.revoked", obj=token, now=now)


def token_digest(token: str) -> bytes:
    """32 bytes. The token has 256 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(token.encode()).digest()


def set_preferences(
    *,
    user: User,
    theme: str | None = None,
    has_single_keys: bool | None = None,
    motion: str | None = None,
    language: str | None = None,
    keymap: Mapping[str, str] | None = None,
    hides_pay: bool | None = None,
    wants_mail: bool | None = None,
) -> None:
    """How the pages look and react for this person; what is None stays. Nobody else's business, so not audited.

    `keymap` is {command's letter: letter to press}, of i–z. Raises Refused for what is not known, and for two
    commands on one letter.
    """
    given = {
        "theme": theme,
        "has_single_keys": has_single_keys,
        "motion": motion,
        "language": language,
        "keymap": None if keymap is None else checked_keymap(keymap),
        "hides_pay": hides_pay,
        "wants_mail": wants_mail,
    }
    if theme is not None and theme not in User.Theme.values:
        raise Refused(f"The themes are {', '.join(User.Theme.values)}.", field="theme")
    if motion is not None and motion not in User.Motion.values:
        raise Refused(f"Motion is {' or '.join(User.Motion.values)}.", field="motion")
    if language is not None and language not in User.Language.values:
        raise Refused(f"The languages are {', '.join(User.Language.values)}.", field="language")
    # Race: two tabs change different wishes. Only what was given is written.
    changed = {name: value for name, value in given.items() if value is not None}
    for name, value in changed.items():
        setattr(user, name, value)
    user.save(update_fields=list(changed))


COMMANDS = {
    "i": "Guide",
    "j": "Scroll down",
    "k": "Scroll up",
    "l": "Side by side or stacked",
    "m": "Mark a problem",
    "n": "Note",
    "p": "Previous turns",
    "r": "Report",
    "s": "How sure",
    "t": "Plain text",
    "u": "Undo the last answer",
    "v": "Differences",
    "x": "Can’t judge",
    "z": "Break",
}
"""Commands of the judging page by their own letter. A–H are responses everywhere, and stay."""
COMMAND_KEYS = "ijklmnopqrstuvwxyz"


def checked_keymap(keymap: Mapping[str, str]) -> dict[str, str]:
    """The commands that are not on their own letter. Raises Refused when the map is none."""
    for command, key in keymap.items():
        if command not in COMMANDS:
            raise Refused(f"There is no command {command!r}.", field="keymap")
        if len(key) != 1 or key not in COMMAND_KEYS:
            raise Refused(f"“{COMMANDS[command]}” takes one letter from I to Z.", field=f"key_{command}")
    holders: dict[str, list[str]] = {}
    for command in COMMANDS:
        holders.setdefault(keymap.get(command, command), []).append(command)
    for key, commands in holders.items():
        if len(commands) > 1:
            names = " and ".join(f"“{COMMANDS[command]}”" for command in commands)
            raise Refused(
                f"{names} are both on {key.upper()}. Give one of them another letter.",
                field=f"key_{next(c for c in commands if c in keymap)}",
            )
    return {command: key for command, key in keymap.items() if command != key}
