"""Listens on a loopback socket. Measured like any other, and closed with the worker."""

import dataclasses
import socket

import engines

SOCKET = socket.create_server(("127.0.0.1", 0))

ENGINE = dataclasses.replace(engines.load("reference"), name="listens")
