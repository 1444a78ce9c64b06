"""Trains a small digit classifier on several nodes at once: data-parallel, with torch.distributed.

    train.py --out model                                   alone; writes model.pt, metrics.json
    RANK=0 WORLD_SIZE=2 MASTER_ADDR=... MASTER_PORT=... train.py --out model       one rank of two

Karst sets these variables for the tasks of a gang. The ranks share each batch of 64 digits among
them and average their gradients, so they hold the same weights after every step, and (where 64 divides
by their number) the model is the one that a single rank would have trained, but for rounding. The first
task writes it, whichever rank it has: tasks that begin anew without those that are through have others.
"""

import argparse
import datetime
import hashlib
import importlib.util
import json
import os
import socket
import sys

CLASSES = 10
HIDDEN = 128
BATCH = 64


def status(percent, text):
    """Tells the farm how far this task is."""
    print(f"openjd_progress: {percent:.0f}\nopenjd_status: {text}", flush=True)


def fail(code, text):
    """Tells the farm why this task cannot succeed, and ends it."""
    print(f"openjd_fail: {text}", flush=True)
    sys.exit(code)


try:
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
except ModuleNotFoundError as missing:
    if missing.name not in ("torch", "numpy"):
        raise
    fail(3, "PyTorch is not installed on this node: install it with pip install torch numpy")


def import_digits(path):
    sys.dont_write_bytecode = True  # inputs may lie in a shared cache: leave no __pycache__ there
    spec = importlib.util.spec_from_file_location("digits", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interface_towards(host):
    """The network interface that leads to `host`; None where the system does not say."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # sends nothing
        except OSError:
            return None
        own = socket.inet_aton(probe.getsockname()[0])
        for _, name in socket.if_nameindex():
            try:
                asked = fcntl.ioctl(probe.fileno(), 0x8915, name.encode().ljust(256, b"\0"))
            except OSError:  # an interface without an address
                continue
            if asked[20:24] == own:
                return name
    return None


def meet():
    """Joins the other ranks, or is the only one where none are spoken of."""
    if "WORLD_SIZE" not in os.environ:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        return
    # Gloo would take the address that this host's name has, which may well be 127.0.1.1.
    name = interface_towards(os.environ["MASTER_ADDR"])
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
    patience = datetime.timedelta(seconds=120)
    dist.init_process_group("gloo", init_method="env://", timeout=patience)


def draw_share(digits, count, first_seed):
    """This rank's part of `count` digits. Each has a seed of its own: nobody draws another's."""
    rank, size = dist.get_rank(), dist.get_world_size()
    mine = [i for i in range(count) if i % BATCH % size == rank]
    pictures, labels = [], []
    for i in mine:
        picture, label = digits.draw(1, first_seed + i)
        pictures += picture
        labels += label
    pixels = torch.tensor(pictures, dtype=torch.float32).reshape(-1, digits.PIXELS)
    return pixels, torch.tensor(labels, dtype=torch.long)


def new_model(digits, seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(digits.PIXELS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
    )


def fit(model, samples, options, who):
    """Each rank takes its share of every batch; DistributedDataParallel averages the gradients."""
    together = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(together.parameters(), lr=0.06, momentum=0.9, weight_decay=1e-4)
    steps = options.samples // BATCH
    pixels, labels = (part.chunk(steps) for part in samples)
    for epoch in range(options.epochs):
        total = 0.0
        for step in range(steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(together(pixels[step]), labels[step])
            loss.backward()
            optimizer.step()
            total += loss.item()
        done = epoch + 1
        text = f"{who}: epoch {done} of {options.epochs}, loss {total / steps:.3f}"
        status(10 + 80 * done / options.epochs, text)


def accuracy(model, share):
    """Over all the ranks' shares."""
    pixels, labels = share
    with torch.no_grad():
        right = (model(pixels).argmax(dim=1) == labels).sum()
    both = torch.tensor([right.item(), len(labels)], dtype=torch.float64)
    dist.all_reduce(both)
    return (both[0] / both[1]).item()


def checksums(model):
    """The SHA-256 of the weights of every rank, by rank."""
    digest = hashlib.sha256()
    for weights in model.state_dict().values():
        digest.update(weights.numpy().tobytes())
    mine = torch.tensor(list(digest.digest()), dtype=torch.uint8)
    gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, mine)
    return [bytes(each.tolist()).hex() for each in gathered]


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def train(digits, options):
    rank, size = dist.get_rank(), dist.get_world_size()
    who = f"Rank {rank} of {size}"
    if size > BATCH:
        fail(2, f"{size} ranks can't share batches of {BATCH} digits")
    status(5, f"{who}: drawing its digits")
    options.samples -= options.samples % BATCH
    samples = draw_share(digits, options.samples, options.seed * 10_000_000)
    model = new_model(digits, options.seed)
    fit(model, samples, options, who)
    held_out = draw_share(digits, options.held_out, options.seed * 10_000_000 + 5_000_000)
    judged = accuracy(model, held_out)
    weights = checksums(model)
    if len(set(weights)) > 1:
        fail(4, f"The ranks do not hold the same weights: {', '.join(weights)}")
    os.makedirs(options.out, exist_ok=True)
    share = {"rank": rank, "samples": len(samples[1]), "weights": weights[rank]}
    write_json(os.path.join(options.out, f"rank-{options.task}.json"), share)
    if options.task == 0:
        metrics = {
            "accuracy": judged,
            "heldOut": options.held_out,
            "samples": options.samples,
            "epochs": options.epochs,
            "worldSize": size,
            "weights": weights,
        }
        torch.save(model.state_dict(), os.path.join(options.out, "model.pt"))
        write_json(os.path.join(options.out, "metrics.json"), metrics)
    dist.barrier()  # nobody is done before the model is written
    status(100, f"{who}: accuracy {judged:.3f}, weights {weights[rank][:12]}")


def parse_options():
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(os.path.dirname(here), "train-digits", "digits.py")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rank = int(os.environ.get("RANK", 0))
    parser.add_argument("--task", type=int, default=rank, help="which task it is; default: its rank")
    parser.add_argument("--digits", default=beside, help="where digits.py of train-digits is")
    parser.add_argument("--out", required=True, help="where to write: rank-<task>.json, and task 0 the rest")
    parser.add_argument("--samples", type=int, default=2400, help="training digits in all")
    parser.add_argument("--held-out", type=int, default=1000, help="digits to judge the model on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def main():
    options = parse_options()
    if "WORLD_SIZE" not in os.environ and options.task != 0:
        status(100, f"Task {options.task}: no gang here, task 0 trains alone")
        return
    digits = import_digits(options.digits)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    meet()
    train(digits, options)
    dist.destroy_process_group()


main()
