"""Upload an exported folder to the Hugging Face Hub."""

from pathlib import Path

from core.common.errors import SetupError, reason_of
from core.common.text import printable


class HubError(SetupError):
    """An upload that failed."""


def push(folder: Path, repo: str, private: bool) -> str:
    """Upload a verified export to the Hub and return its URL.

    The repository `repo` (NAME or OWNER/NAME) is created if it doesn't exist. Needs a login
    (`hf auth login`, or HF_TOKEN). Raises HubError.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="convnext-tui")
    try:
        # Not timm's push_to_hf_hub, which writes the weights again, with its own model card.
        created = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=created.repo_id, folder_path=folder, commit_message="Upload by convnext-tui"
        )
    except Exception as error:  # no network, no login, no permission, an invalid name
        reason = reason_of(error)
        raise HubError(
            f"{printable(str(folder))} is written, but "
            f"the push to {printable(repo)} failed: {reason}"
        ) from None
    return str(created)
