"""The queue's transport for kombu, with one fault of it mended."""

from typing import Any

import psycopg
from kombu.transport import pgmq


class Channel(pgmq.Channel):
    """A message whose ack fails gives back its place among those that the worker may hold.

    kombu lets go of a message only after the delete behind the ack. Where PostgreSQL closes the connection in between,
    it counts the message as held for ever: with as many of them as the worker may hold it takes no more, and nothing
    says so. The message itself comes again after the visibility timeout, and its job's row makes that a no-op.
    """

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        try:
            super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]
        except psycopg.Error:
            self.qos.ack(delivery_tag)
            raise

    def basic_reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        try:
            super().basic_reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]
        except psycopg.Error:
            self.qos.reject(delivery_tag, requeue=False)
            raise


class Transport(pgmq.Transport):
    Channel = Channel
