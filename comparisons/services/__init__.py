"""Writes: agreement and the other figures are computed by jobs and kept as rows."""
