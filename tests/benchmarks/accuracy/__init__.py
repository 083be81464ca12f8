"""Accuracy of this program's recipes compared with timm's and fastai's usual fine-tuning."""
