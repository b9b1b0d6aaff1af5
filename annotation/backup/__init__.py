"""Backups: one folder that proves itself, and the way back from it. `docs/how-to/back-up-and-restore.md`."""
