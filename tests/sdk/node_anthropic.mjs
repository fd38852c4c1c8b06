// Runs the stories of the Messages API with Anthropic's own Node SDK; prints what it saw as a line of JSON.

import { City, EXTRA, FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER } from "./stories.mjs";
import { check, clientLeft, each, errorOf, families, load, misbehaving, seen, weather } from "./stories.mjs";

const { default: Anthropic } = load("@anthropic-ai/sdk");
const { zodOutputFormat } = load("@anthropic-ai/sdk/helpers/zod");

const options = { baseURL: ORIGIN, apiKey: TOKEN, maxRetries: 0, timeout: 60_000 };
const client = new Anthropic(options);
const stranger = new Anthropic({ ...options, apiKey: "las_nobody" });
const user = { role: "user", content: PROMPT };
const tools = [{ name: WEATHER.name, description: WEATHER.description, input_schema: WEATHER.schema }];

function parameters(model, messages, more) {
  return { model, max_tokens: MAX_TOKENS, messages, ...EXTRA[model], ...more };
}

function ask(model, more, by = client, options) {
  return by.messages.create(parameters(model, [user], more), options);
}

async function turn(model, messages, more) {
  const message = await client.messages.create(parameters(model, messages, more));
  return [message.content, told(message)];
}

async function streamedTurn(model, messages, more) {
  const stream = client.messages.stream(parameters(model, messages, more));
  let pieces = 0;
  stream.on("text", () => {
    pieces += 1;
  });
  const message = await stream.finalMessage();
  return [message.content, { ...told(message), pieces }];
}

function told(message) {
  check(message.type === "message" && message.role === "assistant", message);
  const { content, usage } = message;
  const of = (type) => content.filter((block) => block.type === type);
  const cached = usage.cache_read_input_tokens ?? 0;
  const prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0);
  return seen({
    text: of("text").map((block) => block.text).join(""),
    thought: of("thinking").map((block) => block.thinking).join(""),
    calls: of("tool_use").map((block) => [block.name, block.input]),
    finish: message.stop_reason,
    usage: [prompt, usage.output_tokens, cached],
  });
}

const says = (turn) => async (model) => (await turn(model, [user], { ...STORIES.parameters }))[1];

const calls = (turn) => async (model) => {
  const thinks = STORIES.parameters ?? { thinking: { type: "enabled", budget_tokens: 1024 } };
  const more = { tools, ...thinks };
  const [content, first] = await turn(model, [user], more);
  const used = content.filter((block) => block.type === "tool_use");
  const results = used.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) }));
  const messages = [user, { role: "assistant", content }, { role: "user", content: results }];
  return { ...first, answer: (await turn(model, messages, more))[1] };
};

function format(model) {
  const more = { output_config: { format: zodOutputFormat(City) }, ...STORIES.parameters };
  return parameters(model, [{ ...user, content: FACTS }], more);
}

async function object(model) {
  return (await client.messages.parse(format(model))).parsed_output;
}

async function streamedObject(model) {
  const stream = client.messages.stream(format(model));
  return (await stream.finalMessage()).parsed_output;
}

const refused = (model) => errorOf(() => ask(model));
const textOf = (event) => (event.type === "content_block_delta" ? (event.delta.text ?? "") : "");

async function broken(model) {
  let text = "";
  const error = await errorOf(async () => {
    for await (const event of await ask(model, { stream: true })) text += textOf(event);
  });
  return { ...error, text };
}

async function cancelled(model) {
  const stream = await ask(model, { stream: true });
  for await (const event of stream) {
    if (textOf(event)) {
      stream.controller.abort();
      return { first: textOf(event), left: await clientLeft() };
    }
  }
  return null;
}

async function silent(model) {
  const error = await errorOf(() => ask(model, {}, client, { timeout: 1_000 }));
  return { ...error, left: await clientLeft() };
}

const seenFamilies = await families("messages", {
  says: says(turn),
  "says.streamed": says(streamedTurn),
  calls: calls(turn),
  "calls.streamed": calls(streamedTurn),
  parallel: calls(turn),
  "parallel.streamed": calls(streamedTurn),
  object,
  "object.streamed": streamedObject,
});
const stays = (model) => errorOf(() => ask(model, {}, stranger));
const troubles = { stranger: stays, unknown: refused, refused, limited: refused, broken, cancelled, silent };
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const counted = await each(STORIES.counted, async (model) => {
  return (await client.messages.countTokens({ model, messages: [user], tools })).input_tokens;
});
console.log(
  JSON.stringify({
    families: { messages: seenFamilies },
    misbehaving: { messages: await misbehaving("messages", troubles) },
    models,
    counted,
  }),
);
