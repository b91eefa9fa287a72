"""Whether the Hugging Face hub can be reached, asked before a corpus or a tokenizer is downloaded."""

import socket
from logging import CRITICAL
from urllib.parse import urlsplit
from urllib.request import getproxies


def check_reachable() -> None:
    """Raise ConnectionError if the hub's host name cannot be resolved: at once, not after half a minute of retries."""
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    logging.set_verbosity(CRITICAL)
    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    if not getproxies():  # a proxy resolves names itself
        try:
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
        except OSError as error:
            raise ConnectionError(f"{constants.ENDPOINT} cannot be resolved") from error
