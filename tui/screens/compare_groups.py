"""placeholder"""

from tui.screens.compare import CompareScreen


class CompareGroupsScreen(CompareScreen):
    """x"""
