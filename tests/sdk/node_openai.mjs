// Talks to BASE_URL with OpenAI's own Node SDK and prints what it saw as one line of JSON.

import { createRequire } from "node:module";

// The packages lie in the user's cache folder, not beside this file.
const { default: OpenAI } = createRequire(`${process.env.SDK_DIR}/package.json`)("openai");

const { BASE_URL, TOKEN, MODEL, PROMPT = "What is the capital of France?" } = process.env;
const request = {
  model: MODEL,
  messages: [{ role: "user", content: PROMPT }],
  temperature: 0,
  max_tokens: 32,
};

function check(condition, what) {
  if (!condition) throw new Error(`not as expected: ${JSON.stringify(what)}`);
}

function checkedUsage(usage) {
  check(usage?.prompt_tokens > 0 && usage.completion_tokens > 0, usage);
  check(usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, usage);
  return { prompt_tokens: usage.prompt_tokens, completion_tokens: usage.completion_tokens };
}

async function plain(client) {
  const completion = await client.chat.completions.create(request);
  check(completion.object === "chat.completion" && completion.choices.length === 1, completion);
  const [choice] = completion.choices;
  check(choice.message.role === "assistant" && choice.message.content, choice);
  check(["stop", "length"].includes(choice.finish_reason), choice);
  return {
    text: choice.message.content,
    finish_reason: choice.finish_reason,
    model: completion.model,
    usage: checkedUsage(completion.usage),
  };
}

async function streamed(client) {
  const [pieces, reasons, usages] = [[], [], []];
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    check(chunk.object === "chat.completion.chunk", chunk);
    if (chunk.usage) usages.push(chunk.usage);
    for (const choice of chunk.choices) {
      if (choice.delta.content) pieces.push(choice.delta.content);
      if (choice.finish_reason) reasons.push(choice.finish_reason);
    }
  }
  check(pieces.length > 1, pieces);
  check(reasons.length === 1 && ["stop", "length"].includes(reasons[0]), reasons);
  check(usages.length === 1, usages);
  return {
    text: pieces.join(""),
    pieces: pieces.length,
    finish_reason: reasons[0],
    usage: checkedUsage(usages[0]),
  };
}

const client = new OpenAI({ baseURL: BASE_URL, apiKey: TOKEN, maxRetries: 0, timeout: 120_000 });
const models = [];
for await (const model of client.models.list()) models.push(model.id);
check(models.length > 0, models);
console.log(
  JSON.stringify({ listed: models.includes(MODEL), plain: await plain(client), streamed: await streamed(client) }),
);
