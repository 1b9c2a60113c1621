"""Every command of tests/prove, in the order in which `all` runs them.

A command is a module with NAME, WHAT (a clause for a person), SHORT and LONG (how many of what it counts; None where
it counts by itself) and run(lab), which gives its counts or raises proof.Broken with the story of what went wrong.
"""
from . import canary, clock, crashpoints, kill9, local, pgchaos, poison

COMMANDS = {command.NAME: command for command in (kill9, crashpoints, pgchaos, poison, local, clock, canary)}
