"""Writes of this room: releases and webhooks."""
