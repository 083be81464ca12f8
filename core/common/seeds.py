"""Keyed randomness: a number for each place in a run, never a stream that something can shift."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return 63 bits that depend on all parts and on nothing else (BLAKE2b)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
