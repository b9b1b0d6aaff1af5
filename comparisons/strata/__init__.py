"""Preferences of groups of annotators: which groups may be shown, their shares, and juries made of them.

Pure functions. Only `shares` needs scipy, so that no web process loads it.
"""
