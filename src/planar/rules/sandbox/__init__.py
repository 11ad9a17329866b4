"""Processes in which scripts of rules run, each with a limit on its memory and on its time."""
