"""The one way out of immutability: what a person wrote can be blanked when they are to be forgotten (I12).

Only `comparisons.erasure` opens it, for one transaction; the triggers let nothing through but the blanking.
"""

import pgtrigger

ERASING = "concord.erasing"
"""Setting of PostgreSQL that is "on" while texts are blanked, in that transaction alone."""

IS_ERASURE = f"""current_setting('{ERASING}', true) = 'on'
                   AND OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL"""
REFUSE = (
    """RAISE EXCEPTION 'Cannot % rows of %', lower(TG_OP), TG_TABLE_NAME USING ERRCODE = 'check_violation';"""
)


def immutable_but_for_erasure(name: str, *columns: str) -> pgtrigger.Trigger:
    """Forbids update and delete, except blanking `columns` and setting `erased_at` while erasure is on."""
    kept = " - ".join(["to_jsonb({row})", *(f"'{column}'" for column in (*columns, "erased_at"))])
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete,
        func=f"""
            IF TG_OP = 'UPDATE' THEN
                IF {IS_ERASURE}
                   AND concat({", ".join(f"NEW.{column}" for column in columns)}) = ''
                   AND {kept.format(row="NEW")} = {kept.format(row="OLD")} THEN
                    RETURN NEW;
                END IF;
            END IF;
            {REFUSE}
        """,
    )


def erased_only(name: str, column: str) -> pgtrigger.Trigger:
    """For a row that may change otherwise: `column` is blanked and `erased_at` set by erasure alone."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf(column, "erased_at"),  # type: ignore[no-untyped-call]
        func=f"""
            IF {IS_ERASURE} AND NEW.{column} = '' THEN
                RETURN NEW;
            END IF;
            {REFUSE}
        """,
    )
