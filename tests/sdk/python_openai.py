"""Talks to BASE_URL with OpenAI's own Python SDK and prints what it saw as one line of JSON."""

import json
import os

import openai

MODEL = os.environ["MODEL"]
REQUEST = {
    "model": MODEL,
    "messages": [{"role": "user", "content": os.environ.get("PROMPT", "What is the capital of France?")}],
    "temperature": 0,
    "max_tokens": 32,
}


def check(condition: bool, what: object) -> None:
    if not condition:
        raise SystemExit(f"not as expected: {what!r}")


def checked_usage(usage) -> dict:
    check(usage is not None and usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage)
    check(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage)
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


def plain(client: openai.OpenAI) -> dict:
    completion = client.chat.completions.create(**REQUEST)
    check(completion.object == "chat.completion" and len(completion.choices) == 1, completion)
    choice = completion.choices[0]
    check(choice.message.role == "assistant" and choice.message.content, choice)
    check(choice.finish_reason in ("stop", "length"), choice)
    return {
        "text": choice.message.content,
        "finish_reason": choice.finish_reason,
        "model": completion.model,
        "usage": checked_usage(completion.usage),
    }


def streamed(client: openai.OpenAI) -> dict:
    pieces, reasons, usages = [], [], []
    for chunk in client.chat.completions.create(**REQUEST, stream=True, stream_options={"include_usage": True}):
        check(chunk.object == "chat.completion.chunk", chunk)
        if chunk.usage:
            usages.append(chunk.usage)
        for choice in chunk.choices:
            if choice.delta.content:
                pieces.append(choice.delta.content)
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    check(len(pieces) > 1, pieces)
    check(len(reasons) == 1 and reasons[0] in ("stop", "length"), reasons)
    check(len(usages) == 1, usages)
    return {
        "text": "".join(pieces),
        "pieces": len(pieces),
        "finish_reason": reasons[0],
        "usage": checked_usage(usages[0]),
    }


def main() -> None:
    client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["TOKEN"], max_retries=0, timeout=120)
    models = [model.id for model in client.models.list()]
    check(len(models) > 0, models)
    print(json.dumps({"listed": MODEL in models, "plain": plain(client), "streamed": streamed(client)}))


if __name__ == "__main__":
    main()
