"""Runs the stories with LiteLLM, as OpenAI and as Anthropic; prints what it saw as a line of JSON."""

import json
import os

# Else it fetches a list of models.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

from stories import MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER, families, seen, weather  # noqa: E402

# Its hints go to standard output.
litellm.suppress_debug_info = True

USER = {"role": "user", "content": PROMPT}
TOOL = {"name": WEATHER["name"], "description": WEATHER["description"], "parameters": WEATHER["schema"]}
# Its name for a format, and where its addresses begin.
APIS = {"chat": ("openai", f"{ORIGIN}/v1"), "messages": ("anthropic", ORIGIN)}


def ask(api, model, messages, **more):
    provider, base = APIS[api]
    more = {"max_tokens": MAX_TOKENS, "num_retries": 0, "timeout": 60} | STORIES.get("parameters", {}) | more
    return litellm.completion(model=f"{provider}/{model}", api_base=base, api_key=TOKEN, messages=messages, **more)


def turn(api, model, messages, **more):
    completion = ask(api, model, messages, **more)
    return completion.choices[0].message, told(completion)


def streamed_turn(api, model, messages, **more):
    chunks = list(ask(api, model, messages, stream=True, stream_options={"include_usage": True}, **more))
    pieces = sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)
    completion = litellm.stream_chunk_builder(chunks, messages=messages)
    return completion.choices[0].message, told(completion) | {"pieces": pieces}


def told(completion):
    choice, usage = completion.choices[0], completion.usage
    return seen(
        text=choice.message.content,
        calls=[(call.function.name, call.function.arguments) for call in choice.message.tool_calls or []],
        finish=choice.finish_reason,
        usage=[usage.prompt_tokens, usage.completion_tokens, 0],
    )


def says(api, turn):
    return lambda model: turn(api, model, [USER])[1]


def calls(api, turn):
    def story(model):
        tools = [{"type": "function", "function": TOOL}]
        message, first = turn(api, model, [USER], tools=tools)
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": weather(call.function.arguments)}
            for call in message.tool_calls
        ]
        return first | {"answer": turn(api, model, [USER, message.model_dump(), *results], tools=tools)[1]}

    return story


def main() -> None:
    told = {}
    for api in APIS:
        stories = {
            "says": says(api, turn),
            "says.streamed": says(api, streamed_turn),
            "calls": calls(api, turn),
            "calls.streamed": calls(api, streamed_turn),
        }
        told[api] = families(api, stories)
    print(json.dumps({"families": told}))


if __name__ == "__main__":
    main()
