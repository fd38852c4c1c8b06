"""Runs the stories of the Messages API with Anthropic's own Python SDK; prints what it saw as a line of JSON."""

import json

import anthropic

from stories import FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER, City
from stories import attempt, client_left, error_of, families, misbehaving, seen, weather

CLIENT = anthropic.Anthropic(base_url=ORIGIN, api_key=TOKEN, max_retries=0, timeout=60)
STRANGER = CLIENT.with_options(api_key="las_nobody")
EXTRA = STORIES.get("extra") or {}
TOOLS = [{"name": WEATHER["name"], "description": WEATHER["description"], "input_schema": WEATHER["schema"]}]
USER = {"role": "user", "content": PROMPT}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def parameters(model, messages, more):
    # Members that the SDK does not know, or knows no longer.
    extra = {**EXTRA.get(model, {}), **STORIES.get("parameters", {})}
    return {"model": model, "max_tokens": MAX_TOKENS, "messages": messages, "extra_body": extra} | more


def ask(model, messages, client=CLIENT, **more):
    return client.messages.create(**parameters(model, messages, more))


def turn(model, messages, **more):
    message = ask(model, messages, **more)
    return message.content, told(message)


def streamed_turn(model, messages, **more):
    with CLIENT.messages.stream(**parameters(model, messages, more)) as stream:
        pieces = sum(1 for _ in stream.text_stream)
        message = stream.get_final_message()
    return message.content, told(message) | {"pieces": pieces}


def told(message):
    assert message.type == "message" and message.role == "assistant", message
    usage, of = message.usage, lambda kind: [block for block in message.content if block.type == kind]
    cached = usage.cache_read_input_tokens or 0
    return seen(
        text="".join(block.text for block in of("text")),
        thought="".join(block.thinking for block in of("thinking")),
        calls=[(block.name, block.input) for block in of("tool_use")],
        finish=message.stop_reason,
        usage=[usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), usage.output_tokens, cached],
    )


def says(turn):
    return lambda model: turn(model, [USER])[1]


def calls(turn):
    def story(model):
        messages = [USER]
        more = {"tools": TOOLS} | ({} if "parameters" in STORIES else THINKING)
        content, first = turn(model, messages, **more)
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": weather(block.input)}
            for block in content
            if block.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
        return first | {"answer": turn(model, messages, **more)[1]}

    return story


def object_parameters(model):
    return parameters(model, [USER | {"content": FACTS}], {"output_format": City})


def parsed(model):
    return CLIENT.messages.parse(**object_parameters(model)).parsed_output.model_dump()


def streamed_parsed(model):
    with CLIENT.messages.stream(**object_parameters(model)) as stream:
        return stream.get_final_message().parsed_output.model_dump()


def cancelled(model):
    with CLIENT.messages.stream(**parameters(model, [USER], {})) as stream:
        first = next(iter(stream.text_stream))
    return {"first": first, "left": client_left()}


def broken(model):
    pieces = []

    def read():
        with CLIENT.messages.stream(**parameters(model, [USER], {})) as stream:
            pieces.extend(stream.text_stream)

    return error_of(read) | {"text": "".join(pieces)}


def refused(model):
    return error_of(lambda: ask(model, [USER]))


def silent(model):
    hasty = CLIENT.with_options(timeout=1.0)
    return error_of(lambda: ask(model, [USER], client=hasty)) | {"left": client_left()}


def counted(model):
    return CLIENT.messages.count_tokens(model=model, messages=[USER], tools=TOOLS).input_tokens


def main() -> None:
    stories = {
        "says": says(turn),
        "says.streamed": says(streamed_turn),
        "calls": calls(turn),
        "calls.streamed": calls(streamed_turn),
        "parallel": calls(turn),
        "parallel.streamed": calls(streamed_turn),
        "object": parsed,
        "object.streamed": streamed_parsed,
    }
    troubles = {
        "stranger": lambda model: error_of(lambda: ask(model, [USER], client=STRANGER)),
        "unknown": refused,
        "refused": refused,
        "limited": refused,
        "broken": broken,
        "cancelled": cancelled,
        "silent": silent,
    }
    print(
        json.dumps(
            {
                "families": {"messages": families("messages", stories)},
                "misbehaving": {"messages": misbehaving("messages", troubles)},
                "models": [model.id for model in CLIENT.models.list()],
                "counted": {model: attempt(counted, model) for model in STORIES.get("counted", [])},
            }
        )
    )


if __name__ == "__main__":
    main()
