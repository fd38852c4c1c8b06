"""What the Python scripts share: the stories that they are to run, and how they tell what they saw."""

import json
import os
import urllib.request

import pydantic

STORIES = json.loads(os.environ["STORIES"])
ORIGIN, TOKEN = STORIES["origin"], STORIES["token"]
PROMPT = STORIES.get("prompt", "Hello there")
# What an object is to be made of.
FACTS = STORIES.get("facts", PROMPT)
MAX_TOKENS = STORIES.get("max_tokens", 4096)

WEATHER = {
    "name": "weather",
    "description": "Tells the weather in a city.",
    "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class City(pydantic.BaseModel):
    name: str
    population: int


def weather(arguments: str | dict) -> str:
    """What the tool says, whoever calls it."""
    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return f"rain, 7 °C in {arguments['city']}"


def seen(*, text="", thought="", calls=(), finish=None, usage=()) -> dict:
    """One answer. Calls are names and arguments; the usage has prompt, answer and cached tokens."""
    parsed = [[name, json.loads(given) if isinstance(given, str) else given] for name, given in calls]
    return {"text": text or "", "thought": thought or "", "calls": parsed, "finish": finish, "usage": list(usage)}


def client_left() -> bool:
    """Waits until the provider has seen a client leave."""
    with urllib.request.urlopen(STORIES["departure_url"], timeout=60) as reply:
        return reply.status == 200


def error_of(ask) -> dict:
    """The SDK's own exception."""
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - what it is is the question
        response = getattr(error, "response", None)
        return {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "param": getattr(error, "param", None),
            "type": getattr(error, "type", None),
            "message": getattr(error, "message", None) or str(error),
            "retry_after": response.headers.get("retry-after") if response is not None else None,
            "has_request_id": bool(getattr(error, "request_id", None)),
        }
    return {"class": None}


def families(api: str, stories: dict) -> dict:
    """Runs every story that the models of a family are made for; what fails is told, and stops no other."""
    told = {}
    for family, models in STORIES["families"].get(api, {}).items():
        for story, run in stories.items():
            model = models.get(story.split(".")[0])
            if model is not None:
                told.setdefault(family, {})[story] = attempt(run, model)
    return told


def attempt(run, *arguments):
    try:
        return run(*arguments)
    except Exception as error:  # noqa: BLE001 - the test shows it
        return {"failed": f"{type(error).__name__}: {error}"}


def misbehaving(api: str, stories: dict) -> dict:
    """Runs the stories of models that refuse, break off or stay silent."""
    models = STORIES.get("misbehaving", {}).get(api, {})
    return {story: attempt(run, models[story]) for story, run in stories.items() if story in models}
