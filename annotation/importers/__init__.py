"""Import formats: one folder each. See docs/how-to/add-an-import-format.md.

Pure: no Django, no database. `check_rows` is the way in.
"""

from annotation.importers.base import Importer, SourceRow, importers
from annotation.importers.chat import ChatImporter
from annotation.importers.checking import check_rows
from annotation.importers.csv import CsvImporter
from annotation.importers.hh import HhImporter
from annotation.importers.jsonl import JsonlImporter
from annotation.importers.judgments import JudgmentsImporter
from annotation.importers.parquet import ParquetImporter
from annotation.importers.rows import (
    FILE_CODES,
    CompletionRow,
    GoldRow,
    ItemRow,
    JudgmentRow,
    Limits,
    Message,
    Problems,
    RowError,
    RowResult,
    canonical_json,
)
from annotation.importers.trl import TrlImporter

importers.register(JsonlImporter.key, JsonlImporter())
importers.register(CsvImporter.key, CsvImporter())
importers.register(ParquetImporter.key, ParquetImporter())
importers.register(HhImporter.key, HhImporter())
importers.register(TrlImporter.key, TrlImporter())
importers.register(ChatImporter.key, ChatImporter())
importers.register(JudgmentsImporter.key, JudgmentsImporter())

__all__ = [
    "FILE_CODES",
    "CompletionRow",
    "GoldRow",
    "Importer",
    "ItemRow",
    "JudgmentRow",
    "Limits",
    "Message",
    "Problems",
    "RowError",
    "RowResult",
    "SourceRow",
    "canonical_json",
    "check_rows",
    "importers",
]
