// Runs the stories of chat completions and of the Responses API with OpenAI's own Node SDK; prints a line of JSON.

import { City, EXTRA, FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER } from "./stories.mjs";
import { check, clientLeft, each, errorOf, families, load, misbehaving, seen, weather } from "./stories.mjs";

const { default: OpenAI } = load("openai");
const { zodResponseFormat, zodTextFormat } = load("openai/helpers/zod");

const options = { baseURL: `${ORIGIN}/v1`, apiKey: TOKEN, maxRetries: 0, timeout: 60_000 };
const client = new OpenAI(options);
const stranger = new OpenAI({ ...options, apiKey: "las_nobody" });
const user = { role: "user", content: PROMPT };
const { name, description, schema } = WEATHER;

const chat = {
  says: (turn) => async (model) => (await turn(model, [user], { ...STORIES.parameters }))[1],

  calls: (turn) => async (model) => {
    const thinks = STORIES.parameters ?? { reasoning_effort: "low" };
    const more = { tools: [{ type: "function", function: { name, description, parameters: schema } }], ...thinks };
    const messages = [user];
    const [message, first] = await turn(model, messages, more);
    messages.push(message);
    for (const call of message.tool_calls) {
      messages.push({ role: "tool", tool_call_id: call.id, content: weather(call.function.arguments) });
    }
    return { ...first, answer: (await turn(model, messages, more))[1] };
  },

  parameters: (model, messages, more) => ({ model, messages, max_completion_tokens: MAX_TOKENS, ...EXTRA[model], ...more }),

  async turn(model, messages, more) {
    const completion = await client.chat.completions.create(chat.parameters(model, messages, more));
    const [choice] = completion.choices;
    check(completion.object === "chat.completion" && choice.message.role === "assistant", completion);
    return [choice.message, chat.told(choice.message, choice.finish_reason, completion.usage)];
  },

  async streamedTurn(model, messages, more) {
    const given = { stream: true, stream_options: { include_usage: true }, ...more };
    const stream = await client.chat.completions.create(chat.parameters(model, messages, given));
    const message = { role: "assistant", content: "" };
    let [finish, usage, pieces] = [null, null, 0];
    for await (const chunk of stream) {
      check(chunk.object === "chat.completion.chunk", chunk);
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        finish = choice.finish_reason ?? finish;
        if (choice.delta.content) pieces += 1;
        addDelta(message, choice.delta);
      }
    }
    return [message, { ...chat.told(message, finish, usage), pieces }];
  },

  told(message, finish, usage) {
    check(usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, usage);
    const calls = message.tool_calls?.map((call) => [call.function.name, call.function.arguments]);
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    const counts = [usage.prompt_tokens, usage.completion_tokens, cached];
    return seen({ text: message.content, thought: message.reasoning_content, calls, finish, usage: counts });
  },

  format(model) {
    const more = { response_format: zodResponseFormat(City, "city"), ...STORIES.parameters };
    return chat.parameters(model, [{ ...user, content: FACTS }], more);
  },

  async object(model) {
    const completion = await client.chat.completions.parse(chat.format(model));
    return completion.choices[0].message.parsed;
  },

  async streamedObject(model) {
    const stream = client.chat.completions.stream(chat.format(model));
    return (await stream.finalChatCompletion()).choices[0].message.parsed;
  },

  ask: (model, more, by = client, options) =>
    by.chat.completions.create(chat.parameters(model, [user], more), options),
  textOf: (chunk) => chunk.choices[0]?.delta.content ?? "",
};

const responses = {
  says: chat.says,

  calls: (turn) => async (model) => {
    const include = ["reasoning.encrypted_content"];
    const thinks = STORIES.parameters ?? { reasoning: { effort: "low", summary: "auto" }, include };
    const more = { tools: [{ type: "function", name, description, parameters: schema, strict: false }], ...thinks };
    const input = [user];
    const [output, first] = await turn(model, input, more);
    input.push(...output);
    for (const item of output.filter((item) => item.type === "function_call")) {
      input.push({ type: "function_call_output", call_id: item.call_id, output: weather(item.arguments) });
    }
    return { ...first, answer: (await turn(model, input, more))[1] };
  },

  parameters: (model, input, more) => ({
    model,
    input,
    max_output_tokens: MAX_TOKENS,
    store: false,
    ...EXTRA[model],
    ...more,
  }),

  async turn(model, input, more) {
    const response = await client.responses.create(responses.parameters(model, input, more));
    check(response.object === "response" && response.error === null, response);
    return [response.output, responses.told(response)];
  },

  async streamedTurn(model, input, more) {
    // The SDK's own accumulator.
    const stream = client.responses.stream(responses.parameters(model, input, more));
    let pieces = 0;
    stream.on("response.output_text.delta", () => {
      pieces += 1;
    });
    const response = await stream.finalResponse();
    return [response.output, { ...responses.told(response), pieces }];
  },

  told(response) {
    const { output, usage } = response;
    check(usage.total_tokens === usage.input_tokens + usage.output_tokens, usage);
    const of = (type) => output.filter((item) => item.type === type);
    const thoughts = of("reasoning").flatMap((item) => (item.summary.length ? item.summary : (item.content ?? [])));
    const texts = of("message").flatMap((item) => item.content);
    return seen({
      text: texts.map((part) => part.text).join(""),
      thought: thoughts.map((part) => part.text).join(""),
      calls: of("function_call").map((item) => [item.name, item.arguments]),
      finish: response.status,
      usage: [usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens],
    });
  },

  format(model) {
    const more = { text: { format: zodTextFormat(City, "city") }, ...STORIES.parameters };
    return responses.parameters(model, [{ ...user, content: FACTS }], more);
  },

  async object(model) {
    return (await client.responses.parse(responses.format(model))).output_parsed;
  },

  async streamedObject(model) {
    const stream = client.responses.stream(responses.format(model));
    return (await stream.finalResponse()).output_parsed;
  },

  ask: (model, more, by = client, options) => by.responses.create(responses.parameters(model, [user], more), options),
  textOf: (event) => (event.type === "response.output_text.delta" ? event.delta : ""),
};

/** Adds a piece to a message: texts and calls grow, further lists are joined. */
function addDelta(message, delta) {
  for (const [key, value] of Object.entries(delta)) {
    if (key === "tool_calls") {
      for (const { index, function: piece, ...known } of value) {
        message.tool_calls ??= [];
        message.tool_calls[index] ??= { ...known, function: { name: "", arguments: "" } };
        message.tool_calls[index].function.name += piece?.name ?? "";
        message.tool_calls[index].function.arguments += piece?.arguments ?? "";
      }
    } else if (Array.isArray(value)) {
      message[key] = [...(message[key] ?? []), ...value];
    } else if (typeof value === "string" && key !== "role") {
      message[key] = (message[key] ?? "") + value;
    }
  }
}

function troubles({ ask, textOf }) {
  const refused = (model) => errorOf(() => ask(model));
  return {
    stranger: (model) => errorOf(() => ask(model, {}, stranger)),
    unknown: refused,
    refused,
    limited: refused,
    async broken(model) {
      let [text, last] = ["", null];
      const error = await errorOf(async () => {
        for await (const event of await ask(model, { stream: true })) {
          text += textOf(event);
          last = event;
        }
      });
      return error.class ? { ...error, text } : { class: last?.type, status: last?.response?.status ?? null, text };
    },
    async cancelled(model) {
      const stream = await ask(model, { stream: true });
      for await (const event of stream) {
        if (textOf(event)) {
          stream.controller.abort();
          return { first: textOf(event), left: await clientLeft() };
        }
      }
      return null;
    },
    async silent(model) {
      const error = await errorOf(() => ask(model, {}, client, { timeout: 1_000 }));
      return { ...error, left: await clientLeft() };
    },
  };
}

const told = { families: {}, misbehaving: {}, models: [] };
for (const [api, its] of Object.entries({ chat, responses })) {
  told.families[api] = await families(api, {
    says: its.says(its.turn),
    "says.streamed": its.says(its.streamedTurn),
    calls: its.calls(its.turn),
    "calls.streamed": its.calls(its.streamedTurn),
    parallel: its.calls(its.turn),
    "parallel.streamed": its.calls(its.streamedTurn),
    object: its.object,
    "object.streamed": its.streamedObject,
  });
  told.misbehaving[api] = await misbehaving(api, troubles(its));
}
for await (const model of client.models.list()) told.models.push(model.id);
told.embeddings = await each(STORIES.embeddings, async (model) => {
  // The SDK asks for base64 and gives numbers.
  const made = await client.embeddings.create({ model, input: ["a", "bcd"] });
  return made.data.map((item) => item.embedding);
});
console.log(JSON.stringify(told));
