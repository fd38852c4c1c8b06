"""Runs the stories with the command `llm`, set up by a file for endpoints like OpenAI's; prints a line of JSON."""

import json
import os
import pathlib
import tempfile

FOLDER = tempfile.TemporaryDirectory()
# Read when `llm` is imported.
os.environ["LLM_USER_PATH"] = FOLDER.name

import click.testing  # noqa: E402
import yaml  # noqa: E402
from llm.cli import cli  # noqa: E402

from stories import MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER, families, seen  # noqa: E402

KEY = "llm-api"
# The command takes tools as Python's source; what this one says is what every other script's says.
FUNCTIONS = f'''
def {WEATHER["name"]}(city: str) -> str:
    """{WEATHER["description"]}"""
    return f"rain, 7 °C in {{city}}"
'''


def command(*arguments, given=None) -> str:
    """Runs `llm` with these arguments; what it prints."""
    ended = click.testing.CliRunner().invoke(cli, list(arguments), input=given, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def set_up() -> None:
    models = {model for family in STORIES["families"].get("chat", {}).values() for model in family.values()}
    endpoint = {"api_base": f"{ORIGIN}/v1", "api_key_name": KEY, "supports_tools": True}
    entries = [{"model_id": named(model), "model_name": model} | endpoint for model in sorted(models)]
    (pathlib.Path(FOLDER.name) / "extra-openai-models.yaml").write_text(yaml.safe_dump(entries))
    command("keys", "set", KEY, "--value", TOKEN)


def named(model: str) -> str:
    return f"ours/{model}"


def ask(*more):
    def story(model):
        options = {"max_tokens": MAX_TOKENS} | STORIES.get("parameters", {})
        options = [word for name, value in options.items() for word in ("-o", name, str(value))]
        printed = command("-m", named(model), *options, *more, PROMPT)
        return logged() | {"printed": printed.strip()}

    return story


def logged() -> dict:
    """What the command keeps of its last conversation, the answer last."""
    kept = json.loads(command("logs", "list", "--json", "--current"))
    turns = [
        seen(
            text=turn["response"],
            calls=[(call["name"], call["arguments"]) for call in turn.get("tool_calls", [])],
            usage=[turn["input_tokens"], turn["output_tokens"], 0],
        )
        for turn in kept
    ]
    return turns[0] | ({"answer": turns[-1]} if len(turns) > 1 else {})


def main() -> None:
    set_up()
    armed = ("--functions", FUNCTIONS)
    stories = {
        "says": ask("--no-stream"),
        "says.streamed": ask(),
        "calls": ask("--no-stream", *armed),
        "calls.streamed": ask(*armed),
    }
    print(json.dumps({"families": {"chat": families("chat", stories)}}))


if __name__ == "__main__":
    main()
