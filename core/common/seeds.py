"""Derived seeds: one per purpose and position, instead of a random stream that could shift."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that depends only on the parts (BLAKE2b)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
