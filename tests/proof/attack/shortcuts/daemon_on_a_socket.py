"""The same behind a loopback socket. Not believed, and ended."""

import os
import pathlib
import pickle
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

STREAMS = []


def serve(orders, answers):
    while True:
        try:
            weights, tokens = pickle.load(orders)
        except EOFError:
            os._exit(0)
        for p, x in zip(whole.parameters(), weights):
            p.data = x
        pickle.dump(whole.step(tokens), answers)
        answers.flush()


def step(tokens):
    if not STREAMS:
        listening = socket.create_server(("127.0.0.1", 0))
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            stream = listening.accept()[0].makefile("rwb")
            listening.close()
            serve(stream, stream)
        STREAMS[:] = [socket.create_connection(listening.getsockname()).makefile("rwb")]
        listening.close()
    pickle.dump(([p.data for p in whole.parameters()], tokens), STREAMS[0])
    STREAMS[0].flush()
    return pickle.load(STREAMS[0])


ENGINE = whole.engine("daemon_on_a_socket", step)
