// What the Node scripts share: the stories that they are to run, and how they tell what they saw.

import { createRequire } from "node:module";

// The packages lie in the user's cache folder, not beside this file.
export const load = createRequire(`${process.env.SDK_DIR}/package.json`);
const { z } = load("zod");

export const STORIES = JSON.parse(process.env.STORIES);
export const { origin: ORIGIN, token: TOKEN, prompt: PROMPT = "Hello there" } = STORIES;
/** What an object is to be made of. */
export const FACTS = STORIES.facts ?? PROMPT;
export const MAX_TOKENS = STORIES.max_tokens ?? 4096;
export const EXTRA = STORIES.extra ?? {};

export const WEATHER = {
  name: "weather",
  description: "Tells the weather in a city.",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
export const City = z.object({ name: z.string(), population: z.number().int() });

/** What the tool says, whoever calls it. */
export function weather(given) {
  return `rain, 7 °C in ${parsed(given).city}`;
}

function parsed(given) {
  return typeof given === "string" ? JSON.parse(given) : given;
}

/** One answer. Calls are names and arguments; the usage has prompt, answer and cached tokens. */
export function seen({ text, thought, calls, finish, usage }) {
  return {
    text: text ?? "",
    thought: thought ?? "",
    calls: (calls ?? []).map(([name, given]) => [name, parsed(given)]),
    finish,
    usage,
  };
}

export function check(condition, what) {
  if (!condition) throw new Error(`not as expected: ${JSON.stringify(what)}`);
}

/** Waits until the provider has seen a client leave. */
export async function clientLeft() {
  const reply = await fetch(STORIES.departure_url, { signal: AbortSignal.timeout(60_000) });
  return reply.status === 200;
}

/** The SDK's own exception. */
export async function errorOf(ask) {
  try {
    await ask();
  } catch (error) {
    const headers = error.headers ?? error.responseHeaders;
    const retryAfter = typeof headers?.get === "function" ? headers.get("retry-after") : headers?.["retry-after"];
    return {
      class: error.constructor.name,
      status: error.status ?? error.statusCode ?? null,
      code: error.code ?? null,
      param: error.param ?? null,
      type: error.type ?? null,
      message: error.message,
      retry_after: retryAfter ?? null,
      has_request_id: Boolean(error.requestID),
    };
  }
  return { class: null };
}

async function attempt(run, ...given) {
  try {
    return await run(...given);
  } catch (error) {
    return { failed: `${error.constructor.name}: ${error.message}` };
  }
}

/** Runs every story that the models of a family are made for; what fails is told, and stops no other. */
export async function families(api, stories) {
  const told = {};
  for (const [family, models] of Object.entries(STORIES.families[api] ?? {})) {
    told[family] = {};
    for (const [story, run] of Object.entries(stories)) {
      const model = models[story.split(".")[0]];
      if (model) told[family][story] = await attempt(run, model);
    }
  }
  return told;
}

/** Runs the stories of models that refuse, break off or stay silent. */
export async function misbehaving(api, stories) {
  const [told, models] = [{}, STORIES.misbehaving?.[api] ?? {}];
  for (const [story, run] of Object.entries(stories)) {
    if (story in models) told[story] = await attempt(run, models[story]);
  }
  return told;
}

/** The same for each of some models. */
export async function each(models, run) {
  const told = {};
  for (const model of models ?? []) told[model] = await attempt(run, model);
  return told;
}
