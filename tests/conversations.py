"""Items whose completions are whole conversations."""

from annotation.models import Assignment, Batch, Completion, Item
from annotation.services.overlap import pool_of
from tests.factories import World, digest

PER_TURN = {"kind": "pairwise", "points": 7, "overlap": 3, "per_turn": True}


def conversation(turns: int, name: str, filler: str = "") -> list[dict[str, str]]:
    """Completion messages with so many turns of the assistant: reply, question, reply, …"""
    messages = [{"role": "assistant", "content": f"{name} 1 {filler}"}]
    for turn in range(2, turns + 1):
        messages.append({"role": "user", "content": f"Question {turn} to {name}"})
        messages.append({"role": "assistant", "content": f"{name} {turn} {filler}"})
    return messages


def add_conversations(
    world: World, batch: Batch, number: int, turns: tuple[int, int], filler: str = ""
) -> Item:
    """An item with its open slots: two conversations of so many turns, "c0" the one imported first."""
    prompt = [{"role": "user", "content": f"Question {number}?"}]
    item = Item.objects.create(
        batch=batch,
        project=world.project,
        number=number,
        external_id=f"talk-{number}",
        prompt=prompt,
        prompt_hash=digest(prompt),
        content_hash=digest([prompt, turns]),
        target_overlap=batch.overlap,
    )
    Completion.objects.bulk_create(
        Completion(
            item=item,
            position=position,
            messages=conversation(count, f"c{position}", filler),
            content_hash=digest(position),
            source_line=number,
        )
        for position, count in enumerate(turns)
    )
    Assignment.objects.bulk_create(
        Assignment(item=item, batch=batch, pool=pool_of(batch), number=slot + 1)
        for slot in range(batch.overlap)
    )
    return item
