"""Putting an exported folder on the Hugging Face Hub."""

from pathlib import Path

from core.common.errors import SetupError
from core.common.text import printable


class HubError(SetupError):
    """What the Hub, or the way there, has refused."""


def push(folder: Path, repo: str, private: bool) -> str:
    """Upload an export `to timm` as it was checked and return its address.

    The repository `repo` (NAME or OWNER/NAME) is made if it isn't there. Whoever pushes must be
    logged in (`hf auth login`, or HF_TOKEN). Raises HubError.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="convnext-tui")
    try:
        # Not timm's push_to_hf_hub: that writes the weights anew and has a card of its own.
        made = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message="Upload by convnext-tui"
        )
    except Exception as error:  # no network, no login, no right, a name that can't be
        words = printable(" ".join(str(error).split()))[:240]
        raise HubError(
            f"{printable(str(folder))} is written, but {printable(repo)} can't be pushed to "
            f"({type(error).__name__}: {words})"
        ) from None
    return str(made)
