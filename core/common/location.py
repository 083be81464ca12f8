"""Paths and fsspec URLs of data folders, chained URLs included: validate, join, name."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from core.common.errors import DataError

# A user, a colon that doesn't start a port, and an @: also if the password contains a slash.
_PASSWORD = re.compile(r"://[^/@:]*:(?!\d+(?:/|$))[^@]*@")
_HTTP = ("http://", "https://")


def is_url(text: str) -> bool:
    """Return whether a text is a URL for fsspec: each of its chains contains `://`."""
    return "://" in text


def absolute_url(url: str) -> str:
    """Return a normalized URL; local archives in it get their absolute path.

    Raises DataError for a URL with a password or a query, without repeating it.
    """
    if any(_PASSWORD.search(link) for link in url.split("::")):
        raise DataError(
            "a URL must not contain a password, as it would be saved in the run; set credentials "
            "in the environment, ~/.aws, ~/.ssh or a file in ~/.config/fsspec"
        )
    before, path, after = _split_url(url)
    if before.endswith(_HTTP) and "?" in path:
        raise DataError("a URL with a query (?…) is not a folder; give the URL of the folder")
    links = after.split("::")
    if after and "://" not in links[-1] and len(links) > 1 and links[-1]:
        links[-1] = str(Path(expand_user(links[-1])).absolute())
    return before + (path.rstrip("/") or path[:1]) + "::".join(links)


def join_url(url: str, inside: str) -> str:
    """Return the URL of a path below another URL."""
    if not inside:
        return url
    before, path, after = _split_url(url)
    return f"{before}{join_path(path, quote_path(url, inside))}{after}"


def join_path(folder: str, inside: str) -> str:
    """Return a path below a folder, which may be empty or end with a slash."""
    slash = "" if not folder or folder.endswith("/") else "/"
    return f"{folder}{slash}{inside}" if inside else folder


def quote_path(url: str, inside: str) -> str:
    """Return a path as fsspec expects it for this kind of URL: percent-encoded for HTTP."""
    return quote(inside, errors="surrogateescape") if is_http(url) else inside


def unquote_name(url: str, name: str) -> str:
    """Return the file name for a name from a listing of this kind of URL."""
    return unquote(name, errors="surrogateescape") if is_http(url) else name


def first_link(url: str) -> str:
    """Return the link of a chained URL that has the path: `zip://photos` of
    `zip://photos::a.zip`."""
    before, path, _ = _split_url(url)
    return before.rpartition("::")[2] + path


def filesystem_key(url: str) -> str:
    """Return the part of a URL that all URLs of one file system share."""
    before, path, after = _split_url(url)
    # The path of an archive is inside it; other paths begin with a host or a bucket.
    return before + after if after else before + path.split("/")[0]


def url_name(url: str) -> str:
    """Return the name of a folder: its last path component, else its archive, bucket or host."""
    _, path, after = _split_url(url)
    own = PurePosixPath(unquote_name(url, path)).name
    return own or PurePosixPath(after.split("::")[-1]).name.split(".")[0]


def protocols(url: str) -> list[str]:
    """Return the protocols of a chained URL; a last link without one is a local file."""
    links = url.split("::")
    first = [link.partition("://")[0] for link in links[:-1]]
    return [*first, *([links[-1].partition("://")[0]] if "://" in links[-1] else [])]


def _split_url(url: str) -> tuple[str, str, str]:
    """Return the URL up to `://`, the path, and the rest of the chain from `::`."""
    at = url.index("://") + len("://")
    end = url.find("::", at)
    end = len(url) if end < 0 else end
    return url[:at], url[at:end], url[end:]


def is_http(url: str) -> bool:
    """Return whether a folder is a web page with links to files."""
    return _split_url(url)[0].endswith(_HTTP)


def absolute_location(text: str) -> str:
    """Return a path or URL independent of the working directory; raise DataError."""
    return absolute_url(text) if is_url(text) else absolute_path(text)


def absolute_path(text: str) -> str:
    """Return a local path independent of the working directory, with `~` expanded."""
    return str(Path(expand_user(text)).absolute())


def expand_user(text: str) -> str:
    """Return a path with `~` expanded if possible; a URL is returned unchanged."""
    if is_url(text):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # `~name` of an unknown user
        return text


def location_name(text: str) -> str:
    """Return the last component of a path or URL, as a short name of the data."""
    return url_name(text) if is_url(text) else Path(text).name
