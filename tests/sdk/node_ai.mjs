// Runs the stories with the AI SDK, by its OpenAI-compatible and its Anthropic provider; prints a line of JSON.

import { City, EXTRA, FACTS, MAX_TOKENS, ORIGIN, PROMPT, STORIES, TOKEN, WEATHER } from "./stories.mjs";
import { clientLeft, each, errorOf, families, load, misbehaving, seen, weather } from "./stories.mjs";

const { embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } = load("ai");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");
const { createAnthropic } = load("@ai-sdk/anthropic");

// They would go to standard output.
globalThis.AI_SDK_LOG_WARNINGS = false;

/** Adds members that the SDK does not know. */
function fetchWithMore(url, init) {
  const body = init?.body && JSON.parse(init.body);
  return fetch(url, body ? { ...init, body: JSON.stringify({ ...body, ...EXTRA[body.model] }) } : init);
}

const server = { baseURL: `${ORIGIN}/v1`, fetch: fetchWithMore };
const compatible = (apiKey) =>
  createOpenAICompatible({ ...server, name: "llm-api", apiKey, includeUsage: true, supportsStructuredOutputs: true });
const anthropic = (apiKey) => createAnthropic({ ...server, apiKey });

// By the schema also where it does not know the model's name: else it forces a tool upon it, which is another story.
const structuredOutputMode = "outputFormat";
const thinking = { type: "enabled", budgetTokens: 1024 };
const APIS = {
  chat: { by: compatible, providerOptions: { "llm-api": { reasoningEffort: "low" } } },
  messages: { by: anthropic, providerOptions: { anthropic: { thinking } } },
};

const tools = {
  weather: tool({
    description: WEATHER.description,
    inputSchema: jsonSchema(WEATHER.schema),
    execute: async (given) => weather(given),
  }),
};

function told({ text, reasoningText, toolCalls, finishReason, usage }) {
  const calls = toolCalls.map((call) => [call.toolName, call.input]);
  const counts = [usage.inputTokens, usage.outputTokens, usage.inputTokenDetails?.cacheReadTokens ?? 0];
  return seen({ text, thought: reasoningText, calls, finish: finishReason, usage: counts });
}

function storiesOf({ by, providerOptions }) {
  const provider = by(TOKEN);
  const common = { prompt: PROMPT, maxRetries: 0, maxOutputTokens: MAX_TOKENS, ...STORIES.parameters };
  const given = (model) => ({ model: provider(model), ...common });
  const byFormat = { anthropic: { structuredOutputMode } };
  const thinks = STORIES.parameters ? {} : { providerOptions };
  const run = (model) => ({ ...given(model), tools, stopWhen: stepCountIs(3), ...thinks });
  const output = Output.object({ schema: City, name: "city" });
  const byDefault = (model) => ({ ...given(model), prompt: FACTS, output });
  const format = (model) => ({ ...byDefault(model), providerOptions: byFormat });

  async function streamed(call) {
    // What fails on the way is told by the stream, and thrown here.
    const result = streamText({ ...call, onError: () => {} });
    let pieces = 0;
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") pieces += 1;
    }
    return { steps: await result.steps, pieces, output: call.output && (await result.output) };
  }

  const answered = (steps) => ({ ...told(steps[0]), answer: told(steps.at(-1)) });
  return {
    given,
    stories: {
      says: async (model) => told(await generateText(given(model))),
      "says.streamed": async (model) => {
        const { steps, pieces } = await streamed(given(model));
        return { ...told(steps[0]), pieces };
      },
      calls: async (model) => answered((await generateText(run(model))).steps),
      "calls.streamed": async (model) => answered((await streamed(run(model))).steps),
      parallel: async (model) => answered((await generateText(run(model))).steps),
      "parallel.streamed": async (model) => answered((await streamed(run(model))).steps),
      object: async (model) => (await generateText(format(model))).output,
      "object.streamed": async (model) => (await streamed(format(model))).output,
      forced: async (model) => (await generateText(byDefault(model))).output,
      "forced.streamed": async (model) => (await streamed(byDefault(model))).output,
    },
  };
}

function troublesOf({ by }, given) {
  const refused = (model) => errorOf(() => generateText(given(model)));
  return {
    stranger: (model) => errorOf(() => generateText({ ...given(model), model: by("las_nobody")(model) })),
    unknown: refused,
    refused,
    limited: refused,
    async broken(model) {
      let text = "";
      const error = await errorOf(async () => {
        for await (const part of streamText({ ...given(model), onError: () => {} }).fullStream) {
          if (part.type === "error") throw part.error instanceof Error ? part.error : new Error(String(part.error));
          if (part.type === "text-delta") text += part.text;
        }
      });
      return { ...error, text };
    },
    async cancelled(model) {
      const abort = new AbortController();
      const result = streamText({ ...given(model), abortSignal: abort.signal, onError: () => {} });
      for await (const part of result.fullStream) {
        if (part.type === "text-delta" && part.text) {
          abort.abort();
          return { first: part.text, left: await clientLeft() };
        }
      }
      return null;
    },
    async silent(model) {
      const abortSignal = AbortSignal.timeout(1_000);
      return { ...(await errorOf(() => generateText({ ...given(model), abortSignal }))), left: await clientLeft() };
    },
  };
}

const seenAll = { families: {}, misbehaving: {} };
for (const [api, its] of Object.entries(APIS)) {
  const { given, stories } = storiesOf(its);
  seenAll.families[api] = await families(api, stories);
  seenAll.misbehaving[api] = await misbehaving(api, troublesOf(its, given));
}
seenAll.embeddings = await each(STORIES.embeddings, async (model) => {
  const provider = compatible(TOKEN);
  const made = await embedMany({ model: provider.embeddingModel(model), values: ["a", "bcd"], maxRetries: 0 });
  return made.embeddings;
});
console.log(JSON.stringify(seenAll));
