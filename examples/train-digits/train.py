"""Trains a small digit classifier in shards and merges them: federated averaging in two steps.

    train.py train --shard 0 --shards 0-3 --model-dir model      writes weights-0.pt, metrics-0.json
    train.py merge --shards 0-3 --model-dir model                writes model.pt, metrics.json

The data is drawn by digits.py from a seed; nothing is downloaded. Every shard starts from the same
seeded weights and sees only its own part of the data, which is short of some digits; the merged
model is the average of the shards' weights and is judged on data that no shard was trained on. The same
seed gives the same numbers again.
"""

import argparse
import importlib.util
import json
import os
import sys

CLASSES = 10
HIDDEN = 128


def status(percent, text):
    """Tells the farm how far this task is."""
    print(f"openjd_progress: {percent:.0f}\nopenjd_status: {text}", flush=True)


def fail(code, text):
    """Tells the farm why this task cannot succeed, and ends it."""
    print(f"openjd_fail: {text}", flush=True)
    sys.exit(code)


try:
    import torch
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


def parse_range(text):
    """The numbers of an OpenJD range expression: "0-3", "1,4,7", "0-8:2"."""
    numbers = []
    for part in text.split(","):
        span, _, step = part.strip().partition(":")
        first, dash, last = span.partition("-")
        try:
            numbers += range(int(first), int(last if dash else first) + 1, int(step or 1))
        except ValueError:
            fail(2, f"Shards is {text!r}, which is not a range such as 0-3 or 1,4,7")
    if not numbers:
        fail(2, f"Shards is {text!r}, which names no shard at all")
    return numbers


def new_model(digits, seed):
    """The same seed gives the same weights on every node, so that averaging them makes sense."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(digits.PIXELS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
    )


def to_tensors(samples):
    pixels, labels = samples
    return torch.tensor(pixels, dtype=torch.float32), torch.tensor(labels, dtype=torch.long)


def accuracy(model, samples):
    pixels, labels = samples
    with torch.no_grad():
        return (model(pixels).argmax(dim=1) == labels).float().mean().item()


def fit(model, samples, options):
    """Plain minibatch training; returns the last epoch's mean loss."""
    pixels, labels = samples
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    order = torch.Generator().manual_seed(options.seed + 1000 + options.shard)
    mean_loss = float("nan")
    for epoch in range(options.epochs):
        total = 0.0
        batches = torch.randperm(len(labels), generator=order).split(32)
        for batch in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(pixels[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        mean_loss = total / len(labels)
        done = epoch + 1
        status(10 + 80 * done / options.epochs, f"Epoch {done} of {options.epochs}, loss {mean_loss:.3f}")
    return mean_loss


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def train(digits, options):
    status(0, f"Shard {options.shard}: drawing its digits")
    rare = {(3 * options.shard + i) % CLASSES for i in range(3)}
    seed = options.seed * 1000 + options.shard
    samples = to_tensors(digits.draw(options.samples, seed, rare))
    held_out = to_tensors(digits.draw(options.held_out, options.seed * 1000 + 999))
    model = new_model(digits, options.seed)
    loss = fit(model, samples, options)
    metrics = {
        "shard": options.shard,
        "samples": options.samples,
        "rareDigits": sorted(rare),
        "epochs": options.epochs,
        "loss": loss,
        "accuracy": accuracy(model, held_out),
    }
    torch.save(model.state_dict(), os.path.join(options.model_dir, f"weights-{options.shard}.pt"))
    write_json(os.path.join(options.model_dir, f"metrics-{options.shard}.json"), metrics)
    status(100, f"Shard {options.shard}: accuracy {metrics['accuracy']:.3f} alone")


def load_shard(options, shard):
    weights = os.path.join(options.model_dir, f"weights-{shard}.pt")
    try:
        state = torch.load(weights, weights_only=True)
        with open(os.path.join(options.model_dir, f"metrics-{shard}.json"), encoding="utf-8") as file:
            return state, json.load(file)
    except FileNotFoundError as missing:
        fail(4, f"Shard {shard} left no {os.path.basename(missing.filename)}: train it first")


def merge(digits, options):
    shards = parse_range(options.shards)
    status(0, f"Averaging {len(shards)} shards")
    loaded = [load_shard(options, shard) for shard in shards]
    total = sum(metrics["samples"] for _, metrics in loaded)
    model = new_model(digits, options.seed)
    averaged = {
        name: sum(state[name] * (metrics["samples"] / total) for state, metrics in loaded)
        for name in model.state_dict()
    }
    model.load_state_dict(averaged)
    status(50, "Evaluating on digits no shard was trained on")
    held_out = to_tensors(digits.draw(options.held_out, options.seed * 1000 + 999))
    metrics = {
        "accuracy": accuracy(model, held_out),
        "heldOut": options.held_out,
        "samples": total,
        "shardAccuracies": [metrics["accuracy"] for _, metrics in loaded],
    }
    torch.save(model.state_dict(), os.path.join(options.model_dir, "model.pt"))
    write_json(os.path.join(options.model_dir, "metrics.json"), metrics)
    status(100, f"Merged model: accuracy {metrics['accuracy']:.3f}")


def parse_options():
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits.py")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "merge"])
    parser.add_argument("--digits", default=beside, help="where digits.py is; default: beside this file")
    parser.add_argument("--shard", type=int, help="which part to train (train only)")
    parser.add_argument("--shards", default="0-3", help="all parts, as a range such as 0-3 (merge only)")
    parser.add_argument("--model-dir", required=True, help="where weights and metrics are")
    parser.add_argument("--samples", type=int, default=1200, help="training digits per shard")
    parser.add_argument("--held-out", type=int, default=1000, help="digits to judge a model on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if options.command == "train" and options.shard is None:
        parser.error("train needs --shard")
    return options


def main():
    options = parse_options()
    digits = import_digits(options.digits)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    os.makedirs(options.model_dir, exist_ok=True)
    (train if options.command == "train" else merge)(digits, options)


main()
