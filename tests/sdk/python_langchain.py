"""Runs the stories of chat completions and of the Responses API with LangChain; prints a line of JSON."""

import json

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

from stories import FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER, City
from stories import families, seen, weather

TOOL = {"title": WEATHER["name"], "description": WEATHER["description"]} | WEATHER["schema"]
USER = HumanMessage(PROMPT)


def chat(model, api):
    """All that an application says is the address and the token."""
    more = {"max_tokens": MAX_TOKENS, "max_retries": 0, "timeout": 60} | STORIES.get("parameters", {})
    # Asked for of chat completions alone, and left out by default where the address is not OpenAI's.
    more |= {"use_responses_api": True} if api == "responses" else {"stream_usage": True}
    return ChatOpenAI(base_url=f"{ORIGIN}/v1", api_key=TOKEN, model=model, **more)


def invoke(model, messages):
    message = model.invoke(messages)
    return message, told(message)


def stream(model, messages):
    whole, pieces = None, 0
    for chunk in model.stream(messages):
        pieces += bool(chunk.text)
        whole = chunk if whole is None else whole + chunk
    return whole, told(whole) | {"pieces": pieces}


def told(message):
    usage = message.usage_metadata
    cached = usage.get("input_token_details", {}).get("cache_read", 0)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"], usage
    ended = message.response_metadata
    return seen(
        text=str(message.text),
        calls=[(call["name"], call["args"]) for call in message.tool_calls],
        finish=ended.get("finish_reason") or ended.get("status"),
        usage=[usage["input_tokens"], usage["output_tokens"], cached],
    )


def says(api, turn):
    return lambda model: turn(chat(model, api), [USER])[1]


def calls(api, turn):
    def story(model):
        armed = chat(model, api).bind_tools([TOOL])
        message, first = turn(armed, [USER])
        results = [ToolMessage(weather(call["args"]), tool_call_id=call["id"]) for call in message.tool_calls]
        return first | {"answer": turn(armed, [USER, message, *results])[1]}

    return story


def made(api):
    def story(model):
        shaped = chat(model, api).with_structured_output(City, method="json_schema")
        return shaped.invoke(FACTS).model_dump()

    return story


def main() -> None:
    told = {}
    for api in ("chat", "responses"):
        stories = {
            "says": says(api, invoke),
            "says.streamed": says(api, stream),
            "calls": calls(api, invoke),
            "calls.streamed": calls(api, stream),
            "object": made(api),
        }
        told[api] = families(api, stories)
    print(json.dumps({"families": told}))


if __name__ == "__main__":
    main()
