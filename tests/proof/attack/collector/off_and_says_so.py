"""Wants to be measured without the collector, and says so in its literal: the table shows it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("closures"), name="off_and_says_so", collector="off")
