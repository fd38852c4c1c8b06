"""Runs the stories of chat completions and of the Responses API with OpenAI's own Python SDK; prints a line of JSON."""

import json

import openai
from openai.types.chat import ChatCompletionMessage

from stories import FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER, City
from stories import attempt, client_left, error_of, families, misbehaving, seen, weather

CLIENT = openai.OpenAI(base_url=f"{ORIGIN}/v1", api_key=TOKEN, max_retries=0, timeout=60)
STRANGER = CLIENT.with_options(api_key="las_nobody")
# Passed on by the SDK, and known to Ollama alone.
EXTRA = STORIES.get("extra") or {}


class Chat:
    """Chat completions."""

    TOOLS = [
        {
            "type": "function",
            "function": {
                "name": WEATHER["name"],
                "description": WEATHER["description"],
                "parameters": WEATHER["schema"],
            },
        }
    ]

    @staticmethod
    def ask(model, messages, client=CLIENT, **more):
        more = {"max_completion_tokens": MAX_TOKENS, "extra_body": extra(model)} | more
        return client.chat.completions.create(model=model, messages=messages, **more)

    @classmethod
    def turn(cls, model, messages, **more):
        """The message to give back, and what it says."""
        completion = cls.ask(model, messages, **more)
        choice = completion.choices[0]
        assert completion.object == "chat.completion" and choice.message.role == "assistant", completion
        return choice.message, cls.told(choice.message, choice.finish_reason, completion.usage)

    @classmethod
    def streamed_turn(cls, model, messages, **more):
        message, finish, usage, pieces = {"role": "assistant", "content": ""}, None, None, 0
        stream = cls.ask(model, messages, stream=True, stream_options={"include_usage": True}, **more)
        for chunk in stream:
            assert chunk.object == "chat.completion.chunk", chunk
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                pieces += bool(choice.delta.content)
                add_delta(message, choice.delta.to_dict())
        assert usage is not None, "no usage"
        whole = ChatCompletionMessage.model_validate(message)
        return message, cls.told(whole, finish, usage) | {"pieces": pieces}

    @staticmethod
    def told(message, finish, usage):
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
        return seen(
            text=message.content,
            thought=getattr(message, "reasoning_content", None),
            calls=[(call.function.name, call.function.arguments) for call in message.tool_calls or []],
            finish=finish,
            usage=[usage.prompt_tokens, usage.completion_tokens, cached or 0],
        )

    @classmethod
    def says(cls, turn):
        return lambda model: turn(model, [user()], **STORIES.get("parameters", {}))[1]

    @classmethod
    def calls(cls, turn):
        def story(model):
            messages = [user()]
            thinks = {} if "parameters" in STORIES else {"reasoning_effort": "low"}
            more = {"tools": cls.TOOLS} | thinks | STORIES.get("parameters", {})
            message, first = turn(model, messages, **more)
            messages.append(message)
            for call in tool_calls(message):
                result = weather(call["function"]["arguments"])
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
            return first | {"answer": turn(model, messages, **more)[1]}

        return story

    @staticmethod
    def object_parameters(model):
        more = {"max_completion_tokens": MAX_TOKENS, "extra_body": extra(model)} | STORIES.get("parameters", {})
        return {"model": model, "messages": [user(FACTS)], "response_format": City} | more

    @classmethod
    def object(cls, model):
        completion = CLIENT.chat.completions.parse(**cls.object_parameters(model))
        return completion.choices[0].message.parsed.model_dump()

    @classmethod
    def streamed_object(cls, model):
        with CLIENT.chat.completions.stream(**cls.object_parameters(model)) as stream:
            return stream.get_final_completion().choices[0].message.parsed.model_dump()

    @classmethod
    def cancelled(cls, model):
        stream = cls.ask(model, [user()], stream=True)
        first = next(text for chunk in stream if (text := chunk.choices[0].delta.content))
        stream.close()
        return {"first": first, "left": client_left()}

    @classmethod
    def broken(cls, model):
        pieces = []

        def read():
            for chunk in cls.ask(model, [user()], stream=True):
                pieces.extend(choice.delta.content or "" for choice in chunk.choices)

        return error_of(read) | {"text": "".join(pieces)}

    @classmethod
    def refused(cls, model):
        return error_of(lambda: cls.ask(model, [user()]))

    @classmethod
    def stranger(cls, model):
        return error_of(lambda: cls.ask(model, [user()], client=STRANGER))

    @classmethod
    def silent(cls, model):
        hasty = CLIENT.with_options(timeout=1.0)
        return error_of(lambda: cls.ask(model, [user()], client=hasty)) | {"left": client_left()}


class Responses(Chat):
    """The Responses API."""

    TOOLS = [
        {
            "type": "function",
            "name": WEATHER["name"],
            "description": WEATHER["description"],
            "parameters": WEATHER["schema"],
            "strict": False,
        }
    ]

    @staticmethod
    def parameters(model, items, more):
        more = {"max_output_tokens": MAX_TOKENS, "extra_body": extra(model), "store": False} | more
        return {"model": model, "input": items} | more

    @classmethod
    def ask(cls, model, items, client=CLIENT, **more):
        return client.responses.create(**cls.parameters(model, items, more))

    @classmethod
    def turn(cls, model, items, **more):
        response = cls.ask(model, items, **more)
        assert response.object == "response" and response.error is None, response
        return response.output, cls.told(response)

    @classmethod
    def streamed_turn(cls, model, items, **more):
        # The SDK's own accumulator, which wants the events to be in order.
        with CLIENT.responses.stream(**cls.parameters(model, items, more)) as stream:
            pieces = sum(event.type == "response.output_text.delta" for event in stream)
            response = stream.get_final_response()
        return response.output, cls.told(response) | {"pieces": pieces}

    @staticmethod
    def told(response):
        usage = response.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens, usage
        thoughts = [item for item in response.output if item.type == "reasoning"]
        return seen(
            text=response.output_text,
            thought="".join(part.text for item in thoughts for part in item.summary or item.content or []),
            calls=[(item.name, item.arguments) for item in response.output if item.type == "function_call"],
            finish=response.status,
            usage=[usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens],
        )

    @classmethod
    def calls(cls, turn):
        def story(model):
            items = [user()]
            thoughts = {
                "reasoning": {"effort": "low", "summary": "auto"},
                "include": ["reasoning.encrypted_content"],
            }
            more = {"tools": cls.TOOLS} | (STORIES.get("parameters") or thoughts)
            output, first = turn(model, items, **more)
            items += output
            for item in output:
                if item.type == "function_call":
                    result = weather(item.arguments)
                    items.append({"type": "function_call_output", "call_id": item.call_id, "output": result})
            return first | {"answer": turn(model, items, **more)[1]}

        return story

    @classmethod
    def object_parameters(cls, model):
        return cls.parameters(model, [user(FACTS)], {"text_format": City} | STORIES.get("parameters", {}))

    @classmethod
    def object(cls, model):
        return CLIENT.responses.parse(**cls.object_parameters(model)).output_parsed.model_dump()

    @classmethod
    def streamed_object(cls, model):
        with CLIENT.responses.stream(**cls.object_parameters(model)) as stream:
            return stream.get_final_response().output_parsed.model_dump()

    @classmethod
    def cancelled(cls, model):
        stream = cls.ask(model, [user()], stream=True)
        first = next(event.delta for event in stream if event.type == "response.output_text.delta")
        stream.close()
        return {"first": first, "left": client_left()}

    @classmethod
    def broken(cls, model):
        """Reads by hand: whether the SDK throws or tells is up to the event that the stream ends with."""
        text, last = "", None
        for event in cls.ask(model, [user()], stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
            last = event
        status = getattr(last, "response", None) and last.response.status
        return {"class": last.type, "status": status, "text": text}


def user(content=PROMPT):
    return {"role": "user", "content": content}


def extra(model):
    return EXTRA.get(model)


def tool_calls(message):
    calls = message["tool_calls"] if isinstance(message, dict) else message.tool_calls
    return [call if isinstance(call, dict) else call.to_dict() for call in calls]


def add_delta(message, delta):
    """Adds a piece to a message: texts and calls grow, further lists are joined."""
    for name, value in delta.items():
        if name == "tool_calls":
            for piece in value:
                add_call(message.setdefault(name, []), piece)
        elif isinstance(value, list):
            message.setdefault(name, []).extend(value)
        elif isinstance(value, str) and name != "role":
            message[name] = (message.get(name) or "") + value


def add_call(calls, piece):
    if piece["index"] == len(calls):
        known = {name: value for name, value in piece.items() if name not in ("index", "function")}
        calls.append(known | {"function": {"name": "", "arguments": ""}})
    function = calls[piece["index"]]["function"]
    for name, value in piece.get("function", {}).items():
        function[name] += value or ""


def stories(api):
    return {
        "says": api.says(api.turn),
        "says.streamed": api.says(api.streamed_turn),
        "calls": api.calls(api.turn),
        "calls.streamed": api.calls(api.streamed_turn),
        "parallel": api.calls(api.turn),
        "parallel.streamed": api.calls(api.streamed_turn),
        "object": api.object,
        "object.streamed": api.streamed_object,
    }


def main() -> None:
    troubles = ["stranger", "unknown", "refused", "limited", "broken", "cancelled", "silent"]
    told = {"families": {}, "misbehaving": {}}
    for name, api in {"chat": Chat, "responses": Responses}.items():
        told["families"][name] = families(name, stories(api))
        told["misbehaving"][name] = misbehaving(
            name, {trouble: getattr(api, trouble, api.refused) for trouble in troubles}
        )
    told["models"] = [model.id for model in CLIENT.models.list()]
    told["embeddings"] = {model: attempt(embeddings, model) for model in STORIES.get("embeddings", [])}
    print(json.dumps(told))


def embeddings(model):
    # The SDK asks for base64 and gives numbers.
    made = CLIENT.embeddings.create(model=model, input=["a", "bcd"])
    return [item.embedding for item in made.data]


if __name__ == "__main__":
    main()
