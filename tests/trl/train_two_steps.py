"""Loads a pulled folder as an engineer would and trains two steps with TRL. Runs in the TRL environment.

    .venv-trl/bin/python tests/trl/train_two_steps.py FOLDER [reward] [dpo] [kto] [sft] [grpo] [rloo] [-- FOLDER …]

Needs no network: tokenizer and model are made here. Prints one line of JSON for each trainer and folder.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from datasets import Dataset, DatasetDict, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
)
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    RLOOConfig,
    RLOOTrainer,
    SFTConfig,
    SFTTrainer,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from exporters.chat_check import conversations_of, lost_in

STEPS = 2
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def conversations(rows: Dataset) -> Iterator[list[dict[str, str]]]:
    for row in rows:
        whole, prompts = conversations_of(row)
        yield from whole + prompts


def texts(rows: Dataset) -> Iterator[str]:
    for conversation in conversations(rows):
        yield from (message["content"] for message in conversation)


def words_lost(rows: Dataset, tokenizer: PreTrainedTokenizerFast) -> int:
    """The messages that the tokenizer's template leaves out or changes."""

    def render(conversation: list[dict[str, str]]) -> str:
        return tokenizer.apply_chat_template(conversation, tokenize=False)

    return sum(len(lost_in(conversation, render)) for conversation in conversations(rows))


def tokenizer_of(rows: Dataset) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 400 tokens with a ChatML template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts(rows), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHATML
    return fast


def config_of(tokenizer: PreTrainedTokenizerFast) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        num_labels=1,
    )


def options(folder: str) -> dict[str, Any]:
    return {
        "output_dir": folder,
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "max_length": 512,
        "report_to": "none",
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": 0,
    }


def train_reward(rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: str) -> list[float]:
    model = Qwen2ForSequenceClassification(config_of(tokenizer))
    trainer = RewardTrainer(
        model=model, args=RewardConfig(**options(folder)), train_dataset=rows, processing_class=tokenizer
    )
    trainer.train()
    return losses(trainer)


def train_dpo(rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: str) -> list[float]:
    trainer = DPOTrainer(
        model=saved_model(tokenizer, folder),
        args=DPOConfig(**options(folder)),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    return losses(trainer)


def saved_model(tokenizer: PreTrainedTokenizerFast, folder: str) -> str:
    """A folder with a model in it: DPO, KTO, GRPO and RLOO read the reference model again by name."""
    Qwen2ForCausalLM(config_of(tokenizer)).save_pretrained(f"{folder}/model")
    tokenizer.save_pretrained(f"{folder}/model")
    return f"{folder}/model"


def train_kto(rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: str) -> list[float]:
    trainer = KTOTrainer(
        model=saved_model(tokenizer, folder),
        args=KTOConfig(**options(folder)),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    return losses(trainer)


def train_sft(rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: str) -> list[float]:
    model = Qwen2ForCausalLM(config_of(tokenizer))
    trainer = SFTTrainer(
        model=model, args=SFTConfig(**options(folder)), train_dataset=rows, processing_class=tokenizer
    )
    trainer.train()
    return losses(trainer)


def length_of(completions: list[Any], **columns: Any) -> list[float]:
    """A reward function. The trainers hand it every column of the data; there is none but the prompt."""
    given = {"prompts", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}
    if unknown := set(columns) - given:
        raise SystemExit(f"the reward function was handed {sorted(unknown)}")
    return [float(len(completion[-1]["content"])) for completion in completions]


def train_online(
    trainer_class: Any, config_class: Any, rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: str
) -> list[float]:
    given = {key: value for key, value in options(folder).items() if key != "max_length"}
    trainer = trainer_class(
        model=saved_model(tokenizer, folder),
        reward_funcs=length_of,
        args=config_class(**given, num_generations=2, max_completion_length=8),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    return losses(trainer)


TRAINERS: dict[str, Callable[[Dataset, PreTrainedTokenizerFast, str], list[float]]] = {
    "reward": train_reward,
    "dpo": train_dpo,
    "kto": train_kto,
    "sft": train_sft,
    "grpo": partial(train_online, GRPOTrainer, GRPOConfig),
    "rloo": partial(train_online, RLOOTrainer, RLOOConfig),
}


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main(folder: Path, wanted: list[str]) -> None:
    data = load_dataset(str(folder))
    if not isinstance(data, DatasetDict):
        raise SystemExit(f"{folder} did not load as splits")
    rows = data["train"]
    tokenizer = tokenizer_of(rows)
    for name, train in TRAINERS.items():
        if name in wanted:
            torch.manual_seed(0)
            with tempfile.TemporaryDirectory() as work:
                report = {
                    "folder": folder.name,
                    "trainer": name,
                    "splits": {split: len(part) for split, part in data.items()},
                    "columns": rows.column_names,
                    "lost": words_lost(rows, tokenizer),
                    "losses": train(rows, tokenizer, work),
                }
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    words = [*sys.argv[1:], "--"]
    while words:
        end = words.index("--")
        main(Path(words[0]), words[1:end] or ["reward", "dpo"])
        words = words[end + 1 :]
