"""URLs of folders as fsspec takes them, chained ones too: taken apart, put together, refused."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from core.common.errors import DataError

# A user, a colon that isn't a port's, and an @: also where the password holds a slash.
_PASSWORD = re.compile(r"://[^/@:]*:(?!\d+(?:/|$))[^@]*@")
_WEB = ("http://", "https://")


def is_url(text: str) -> bool:
    """Whether a text is meant for fsspec: every chain of its has a `://` in it."""
    return "://" in text


def absolute_url(url: str) -> str:
    """Return a URL without what makes no difference, an archive on this machine by its absolute
    path. Raises DataError, which doesn't repeat it, for one with a password or a query."""
    if any(_PASSWORD.search(link) for link in url.split("::")):
        raise DataError(
            "a URL must not hold a password: it would be written into the run; give it by the "
            "environment, ~/.aws, ~/.ssh or a file in ~/.config/fsspec"
        )
    before, path, after = _split_url(url)
    if before.endswith(_WEB) and "?" in path:
        raise DataError("a URL with a query (?…) names no folder; give the folder's own")
    links = after.split("::")
    if after and "://" not in links[-1] and len(links) > 1 and links[-1]:
        links[-1] = str(Path(links[-1]).expanduser().absolute())
    return before + (path.rstrip("/") or path[:1]) + "::".join(links)


def join_url(url: str, inside: str) -> str:
    """Return the URL of what lies at a path below another one."""
    if not inside:
        return url
    before, path, after = _split_url(url)
    return f"{before}{join_path(path, quote_path(url, inside))}{after}"


def join_path(folder: str, inside: str) -> str:
    """Return a path below a folder; the folder may be empty, or end with a slash."""
    slash = "" if not folder or folder.endswith("/") else "/"
    return f"{folder}{slash}{inside}" if inside else folder


def quote_path(url: str, inside: str) -> str:
    """Return a path as fsspec has it for this kind of URL."""
    return quote(inside, errors="surrogateescape") if is_http(url) else inside


def unquote_name(url: str, name: str) -> str:
    """Return the name that a file of this kind of URL would have in a folder."""
    return unquote(name, errors="surrogateescape") if is_http(url) else name


def first_link(url: str) -> str:
    """Return the part of a chain that a path stands in: `zip://photos` of `zip://photos::a.zip`."""
    before, path, _ = _split_url(url)
    return before.rpartition("::")[2] + path


def filesystem_key(url: str) -> str:
    """Return what URLs have in common that one file system answers for."""
    before, path, after = _split_url(url)
    # What stands before an archive is a path in it, otherwise a host or a bucket comes first.
    return before + after if after else before + path.split("/")[0]


def url_name(url: str) -> str:
    """Return what to call a folder: its own name, else that of its archive, bucket or host."""
    _, path, after = _split_url(url)
    own = PurePosixPath(unquote_name(url, path)).name
    return own or PurePosixPath(after.split("::")[-1]).name.split(".")[0]


def protocols(url: str) -> list[str]:
    """Return the protocols of a chain, as far as they are named."""
    links = url.split("::")
    first = [link.partition("://")[0] for link in links[:-1]]
    return [*first, *([links[-1].partition("://")[0]] if "://" in links[-1] else [])]


def _split_url(url: str) -> tuple[str, str, str]:
    """Return a URL's beginning up to `://`, the path in it, and the chain after that with its
    `::`: joined, they are the URL."""
    at = url.index("://") + len("://")
    end = url.find("::", at)
    end = len(url) if end < 0 else end
    return url[:at], url[at:end], url[end:]


def is_http(url: str) -> bool:
    """Whether a folder is a web server's page with links in it."""
    return _split_url(url)[0].endswith(_WEB)


def absolute_location(text: str) -> str:
    """Return a text that names the same place from any folder; raises DataError."""
    return absolute_url(text) if is_url(text) else absolute_path(text)


def absolute_path(text: str) -> str:
    """Return a path of this machine as it is from any folder."""
    return str(Path(expand_user(text)).absolute())


def expand_user(text: str) -> str:
    """Return a place with `~` as the home that it stands for, where there is one."""
    if is_url(text):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # `~name` of somebody who has no home here
        return text


def location_name(text: str) -> str:
    """Return what to call the folder that a text names."""
    return url_name(text) if is_url(text) else Path(text).name
