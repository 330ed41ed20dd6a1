"""The same ops through PyTorch: what one would otherwise pick, so that the table shows it.

float64 on the CPU, one thread, PyTorch's own autograd, fused attention and Adam, all positions of a document at once.
The arithmetic is as little as `numpy`'s; each operation goes through a dispatcher, builds an object
of the graph and allocates a tensor, some microseconds each, which only wider models repay.
Sums run in another order than the reference's, so last bits differ.
"""

from contextlib import nullcontext

from bench.workload.engine import Engine, Parity

unavailable = None
try:
    import torch
    import torch.nn.functional as F

    F.rms_norm, F.scaled_dot_product_attention  # noqa: B018  (PyTorch 2.4 has both)
    torch.set_num_threads(
        1
    )  # the rule for every engine here, and sharing work this small would cost more than it gives
except (ImportError, AttributeError) as error:  # the latter where this folder is searched first, and torch is this file
    reason = " ".join(str(error).split())[:100]
    unavailable = f"PyTorch does not load ({reason}): run `python -m pip install torch` with this interpreter"


NOTHING = -(2**40)
ZERO = None if unavailable else torch.zeros((), dtype=torch.float64)


def matrix(rows):
    w = torch.tensor(rows, dtype=torch.float64)
    if w.dim() != 2 or not w.numel():
        raise ValueError(f"a matrix has rows of numbers: got the shape {tuple(w.shape)}")
    return w.requires_grad_()


def embedding(w, index):
    if isinstance(index, range) and index.step == 1 and 0 <= index.start < index.stop <= len(w):
        return w[index.start : index.stop]
    return F.embedding(torch.tensor([index] if isinstance(index, int) else index), w)


def add(a, b):
    if a.shape != b.shape:
        raise ValueError(f"cannot add the shapes {tuple(a.shape)} and {tuple(b.shape)}")
    return a + b


def linear(x, w):
    return F.linear(x, w)


def rmsnorm(x):
    return F.rms_norm(x, x.shape[-1:], eps=1e-5)


def relu(x):
    return torch.where(x > ZERO, x, ZERO)  # F.relu lets NaN pass


def attention(q, keys, values, n_head):
    k = keys[0] if len(keys) == 1 else torch.cat(list(keys))
    v = values[0] if len(values) == 1 else torch.cat(list(values))
    queries, positions = len(q), len(k)
    # PyTorch's own causal mask is right only for as many queries as keys; a single, last one sees all
    mask = None
    if 1 < queries < positions:
        mask = torch.ones(queries, positions, dtype=torch.bool).tril(positions - queries)
    heads = [x.unflatten(1, (n_head, -1)).transpose(0, 1) for x in (q, k, v)]
    out = F.scaled_dot_product_attention(*heads, attn_mask=mask, is_causal=queries == positions)
    return out.transpose(0, 1).flatten(1)


def cross_entropy(logits, target):
    target = torch.tensor([target] if isinstance(target, int) else target)
    # no target is to be ignored: by default -100 would be, in silence
    return F.cross_entropy(logits, target, reduction="none", ignore_index=NOTHING)


def mean(losses):
    return (losses[0] if len(losses) == 1 else torch.cat(list(losses))).mean()


def probabilities(logits, temperature):
    if len(logits) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits)}")
    return F.softmax(logits[0] * (1 / temperature), dim=0).tolist()  # 1/0 raises, tensors would give NaN


def count_nodes(loss):
    """Functions of the graph that backward calls, those that gather the matrices' gradients included."""
    seen, stack = {loss.grad_fn}, [loss.grad_fn]
    while stack:
        for function, _ in stack.pop().next_functions:
            if function is not None and function not in seen:
                seen.add(function)
                stack.append(function)
    return len(seen)


def read_values(w):
    return w.tolist()


def read_gradients(w):
    return (torch.zeros_like(w) if w.grad is None else w.grad).tolist()


class Adam:
    """PyTorch's Adam. It adds eps after the bias correction too, so it agrees with the reference's but for rounding."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.adam = torch.optim.Adam(self.matrices, lr=0.0, betas=(beta1, beta2), eps=eps, fused=True)
        for w in self.matrices:
            self.adam.state[w] = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(w),
                "exp_avg_sq": torch.zeros_like(w),
            }

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        # it works out its own corrections, which agree with those given but for rounding
        if shrink != 1.0:
            for w in self.matrices:
                if w.grad is not None:
                    w.grad *= shrink
        self.adam.param_groups[0]["lr"] = learning_rate
        if decay != 1.0:
            with torch.no_grad():
                for w in self.matrices:
                    w *= decay
        self.adam.step()
        self.adam.zero_grad()

    def tensors(self):
        """Everything an update changes, in place."""
        return [x for w in self.matrices for x in (w.detach(), *self.adam.state[w].values())]

    def load(self, weights, m, v, t):
        start = 0
        for w in self.matrices:
            state, stop = self.adam.state[w], start + w.numel()
            for x, numbers in ((w.detach(), weights), (state["exp_avg"], m), (state["exp_avg_sq"], v)):
                x.copy_(torch.tensor(numbers[start:stop], dtype=x.dtype).reshape(x.shape))
            state["step"].fill_(t)
            start = stop
        self.adam.zero_grad()

    def snapshot(self):
        return [x.clone() for x in self.tensors()]

    def restore(self, snapshot):
        for x, before in zip(self.tensors(), snapshot):
            x.copy_(before)
        self.adam.zero_grad()


ENGINE = Engine(
    name="torch",
    summary="the same ops through PyTorch",
    parent="numpy",
    change="PyTorch's tensors, autograd and Adam",
    parity=Parity.ROUNDING,
    batched=True,
    unavailable=unavailable,
    embedding=embedding,
    add=add,
    linear=linear,
    rmsnorm=rmsnorm,
    relu=relu,
    attention=attention,
    cross_entropy=cross_entropy,
    mean=mean,
    probabilities=probabilities,
    count_nodes=count_nodes,
    no_graph=torch.no_grad if unavailable is None else nullcontext,
    matrix=matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
