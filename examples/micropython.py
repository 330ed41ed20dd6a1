"""A scalar port in the part of Python that MicroPython has: it reads a start file, and prints the loss of each step.

    micropython micropython.py START STEPS        a build with doubles; with -X heapsize=256m
    node micropython.mjs START STEPS              MicroPython compiled to WebAssembly

Operations are in microgpt.py's order. The graph is sorted with a stack of its own, as MicroPython's is small.
"""

import sys
from math import exp, log


class Value:
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self.local_grads = local_grads
        self.seen = False

    def add(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def mul(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def power(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def div(self, other):
        return self.mul(other.power(-1))

    def log(self):
        return Value(log(self.data), (self,), (1 / self.data,))

    def exp(self):
        e = exp(self.data)
        return Value(e, (self,), (e,))

    def relu(self):
        return Value(max(0.0, self.data), (self,), (1.0 if self.data > 0 else 0.0,))

    def backward(self):
        order, stack = [], [(self, 0)]
        self.seen = True
        while stack:
            node, place = stack.pop()
            if place < len(node.children):
                stack.append((node, place + 1))
                child = node.children[place]
                if not child.seen:
                    child.seen = True
                    stack.append((child, 0))
            else:
                order.append(node)
        self.grad = 1.0
        for i in range(len(order) - 1, -1, -1):
            node = order[i]
            node.seen = False
            for k in range(len(node.children)):
                node.children[k].grad += node.local_grads[k] * node.grad


def total(values):
    result = Value(0.0)
    for value in values:
        result = result.add(value)
    return result


def linear(x, w):
    return [total([wi.mul(xi) for wi, xi in zip(row, x)]) for row in w]


def softmax(logits):
    largest = Value(-max([value.data for value in logits]))
    exps = [value.add(largest).exp() for value in logits]
    whole = total(exps)
    return [e.div(whole) for e in exps]


def rmsnorm(x):
    mean = total([xi.mul(xi) for xi in x]).div(Value(float(len(x))))
    scale = mean.add(Value(1e-5)).power(-0.5)
    return [xi.mul(scale) for xi in x]


def add(a, b):
    return [x.add(y) for x, y in zip(a, b)]


def read(path):
    with open(path) as file:
        lines = iter(file.read().split("\n"))
    if next(lines) != "microgpt-bench start 1":
        raise ValueError("not a start file: " + path)
    sizes = {}
    for _ in range(4):
        name, number = next(lines).split()
        sizes[name] = int(number)
    characters = next(lines).split(" ", 1)[1]
    documents = [next(lines) for _ in range(int(next(lines).split()[1]))]
    weights = {}
    while True:
        header = next(lines)
        if not header:
            return sizes, characters, documents, weights
        name, rows, _ = header.split()
        weights[name] = [[Value(float(x)) for x in next(lines).split()] for _ in range(int(rows))]


def gpt(sizes, w, token, position, keys, values):
    heads, width = sizes["n_head"], sizes["n_embd"]
    size = width // heads
    root = Value(size**0.5)
    x = rmsnorm(add(w["wte"][token], w["wpe"][position]))
    for layer in range(sizes["n_layer"]):
        name = f"layer{layer}."
        before = x
        x = rmsnorm(x)
        q = linear(x, w[name + "wq"])
        keys[layer].append(linear(x, w[name + "wk"]))
        values[layer].append(linear(x, w[name + "wv"]))
        together = []
        for head in range(heads):
            part = range(head * size, head * size + size)
            scores = [total([q[j].mul(k[j]) for j in part]).div(root) for k in keys[layer]]
            shares = softmax(scores)
            together += [total([s.mul(v[j]) for s, v in zip(shares, values[layer])]) for j in part]
        x = add(linear(together, w[name + "wo"]), before)
        before = x
        x = [xi.relu() for xi in linear(rmsnorm(x), w[name + "fc1"])]
        x = add(linear(x, w[name + "fc2"]), before)
    return linear(x, w["lm_head"])


def main(path, steps):
    sizes, characters, documents, w = read(path)
    parameters = [p for rows in w.values() for row in rows for p in row]
    m, v = [0.0] * len(parameters), [0.0] * len(parameters)
    edge = len(characters)
    for step in range(steps):
        document = documents[step % len(documents)]
        tokens = [edge] + [characters.index(c) for c in document] + [edge]
        n = min(sizes["block_size"], len(tokens) - 1)
        keys = [[] for _ in range(sizes["n_layer"])]
        values = [[] for _ in range(sizes["n_layer"])]
        losses = []
        for position in range(n):
            logits = gpt(sizes, w, tokens[position], position, keys, values)
            losses.append(softmax(logits)[tokens[position + 1]].log().mul(Value(-1.0)))
        loss = total(losses).mul(Value(1 / n))
        loss.backward()
        rate = 0.01 * (1 - step / 1000)
        for i, p in enumerate(parameters):
            m[i] = 0.85 * m[i] + (1 - 0.85) * p.grad
            v[i] = 0.99 * v[i] + (1 - 0.99) * p.grad**2
            p.data -= rate * (m[i] / (1 - 0.85 ** (step + 1))) / ((v[i] / (1 - 0.99 ** (step + 1))) ** 0.5 + 1e-8)
            p.grad = 0.0
        print(f"step {step + 1:4d} / {steps:4d} | loss {loss.data:.12f}")


main(sys.argv[1], int(sys.argv[2]))
